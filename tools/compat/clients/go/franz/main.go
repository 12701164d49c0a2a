// Verify with franz-go.
package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"verify/pattern"
)

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

var acks = map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()}

func client(c *pattern.Case, options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append(options, kgo.SeedBrokers(c.Bootstrap))...)
	if err != nil {
		pattern.Fail("%v", err)
	}
	return made
}

func produce(c *pattern.Case) {
	options := []kgo.Opt{
		kgo.RequiredAcks(acks[c.Acks]), kgo.ProducerBatchCompression(codecs[c.Codec]), kgo.ProducerBatchMaxBytes(3 << 19),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(5 * time.Millisecond),
		kgo.MaxBufferedBytes(64 << 20),
	}
	if !c.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	to := client(c, options...)
	defer to.Close()
	var failure atomic.Pointer[error]
	for i := range c.Count {
		partition, sequence := int32(i%c.Partitions), int64(i/c.Partitions)
		record := &kgo.Record{Topic: c.Topic, Partition: partition, Key: pattern.Key(sequence),
			Value: c.Value(partition, sequence)}
		if header := pattern.HeaderValue(sequence); header != nil {
			record.Headers = []kgo.RecordHeader{{Key: "h", Value: header}}
		}
		to.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				failure.Store(&err)
			}
		})
	}
	if err := to.Flush(context.Background()); err != nil {
		pattern.Fail("%v", err)
	}
	if err := failure.Load(); err != nil {
		pattern.Fail("not delivered: %v", *err)
	}
	c.Done(c.Count)
}

func read(from *kgo.Client, expected *pattern.Expected, limit int) {
	for expected.Seen < limit {
		patience, cancel := context.WithTimeout(context.Background(), pattern.QuietSeconds*time.Second)
		fetches := from.PollRecords(patience, limit-expected.Seen)
		cancel()
		for _, failed := range fetches.Errors() {
			if failed.Err == context.DeadlineExceeded {
				expected.Quiet()
			}
			pattern.Fail("partition %d: %v", failed.Partition, failed.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			var header []byte
			if len(r.Headers) > 0 {
				header = r.Headers[0].Value
			}
			expected.Take(r.Partition, r.Offset, r.Key, r.Value, header)
		})
	}
}

func assign(c *pattern.Case) {
	partitions := map[int32]kgo.Offset{}
	for partition := range int32(c.Partitions) {
		partitions[partition] = kgo.NewOffset().AtStart()
	}
	from := client(c, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{c.Topic: partitions}))
	defer from.Close()
	expected := c.NewExpected()
	read(from, expected, c.Count)
	c.Done(expected.Seen)
}

func group(c *pattern.Case) {
	expected := c.NewExpected()
	for _, limit := range []int{c.Count / 2, c.Count} {
		from := client(c, kgo.ConsumerGroup(c.Group), kgo.ConsumeTopics(c.Topic), kgo.DisableAutoCommit(),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		read(from, expected, limit)
		if err := from.CommitUncommittedOffsets(context.Background()); err != nil {
			pattern.Fail("commit: %v", err)
		}
		from.Close()
	}
	c.Done(expected.Seen)
}

func main() {
	c := pattern.FromArguments()
	map[string]func(*pattern.Case){"produce": produce, "assign": assign, "group": group}[c.Mode](c)
}
