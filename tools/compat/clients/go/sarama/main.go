// Verify with sarama.
package main

import (
	"context"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"verify/pattern"
)

var codecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

var acks = map[string]sarama.RequiredAcks{"0": sarama.NoResponse, "1": sarama.WaitForLocal, "all": sarama.WaitForAll}

func config() *sarama.Config {
	made := sarama.NewConfig()
	made.Version = sarama.MaxVersion
	made.Consumer.Offsets.Initial = sarama.OffsetOldest
	made.Consumer.Offsets.AutoCommit.Enable = false
	made.Consumer.Fetch.Default = 2 << 20
	return made
}

func must[T any](value T, err error) T {
	if err != nil {
		pattern.Fail("%v", err)
	}
	return value
}

func produce(c *pattern.Case) {
	with := config()
	with.Producer.RequiredAcks = acks[c.Acks]
	with.Producer.Compression = codecs[c.Codec]
	with.Producer.Partitioner = sarama.NewManualPartitioner
	with.Producer.MaxMessageBytes = 3 << 19
	with.Producer.Flush.Frequency = 5 * time.Millisecond
	with.Producer.Return.Successes = true
	with.Producer.Idempotent = c.Idempotent
	if c.Idempotent {
		with.Net.MaxOpenRequests = 1 // sarama insists
	}
	producer := must(sarama.NewAsyncProducer([]string{c.Bootstrap}, with))
	var answered sync.WaitGroup
	answered.Add(2)
	go func() {
		defer answered.Done()
		for range producer.Successes() {
		}
	}()
	go func() {
		defer answered.Done()
		for failed := range producer.Errors() {
			pattern.Fail("not delivered: %v", failed)
		}
	}()
	for i := range c.Count {
		partition, sequence := int32(i%c.Partitions), int64(i/c.Partitions)
		message := &sarama.ProducerMessage{Topic: c.Topic, Partition: partition,
			Value: sarama.ByteEncoder(c.Value(partition, sequence))}
		if key := pattern.Key(sequence); key != nil {
			message.Key = sarama.ByteEncoder(key)
		}
		if header := pattern.HeaderValue(sequence); header != nil {
			message.Headers = []sarama.RecordHeader{{Key: []byte("h"), Value: header}}
		}
		producer.Input() <- message
	}
	producer.AsyncClose()
	answered.Wait()
	c.Done(c.Count)
}

func take(expected *pattern.Expected, message *sarama.ConsumerMessage) {
	var header []byte
	if len(message.Headers) > 0 {
		header = message.Headers[0].Value
	}
	expected.Take(message.Partition, message.Offset, message.Key, message.Value, header)
}

func assign(c *pattern.Case) {
	consumer := must(sarama.NewConsumer([]string{c.Bootstrap}, config()))
	expected := c.NewExpected()
	messages := make(chan *sarama.ConsumerMessage, 1024)
	for partition := range int32(c.Partitions) {
		from := must(consumer.ConsumePartition(c.Topic, partition, sarama.OffsetOldest))
		go func() {
			for message := range from.Messages() {
				messages <- message
			}
		}()
	}
	for expected.Seen < c.Count {
		select {
		case message := <-messages:
			take(expected, message)
		case <-time.After(pattern.QuietSeconds * time.Second):
			expected.Quiet()
		}
	}
	c.Done(expected.Seen)
}

// member reads until the limit, commits what it read, and leaves.
type member struct {
	expected *pattern.Expected
	limit    int
	lock     sync.Mutex
	enough   chan struct{}
	once     sync.Once
}

func (m *member) Setup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) Cleanup(session sarama.ConsumerGroupSession) error {
	session.Commit()
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open || !m.take(message) {
				return nil
			}
			session.MarkMessage(message, "")
		case <-m.enough:
			return nil
		case <-session.Context().Done():
			return nil
		case <-time.After(pattern.QuietSeconds * time.Second):
			m.lock.Lock()
			m.expected.Quiet()
		}
	}
}

// take says whether the record was still wanted.
func (m *member) take(message *sarama.ConsumerMessage) bool {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.expected.Seen >= m.limit {
		return false
	}
	take(m.expected, message)
	if m.expected.Seen == m.limit {
		m.once.Do(func() { close(m.enough) })
	}
	return true
}

func group(c *pattern.Case) {
	expected := c.NewExpected()
	for _, limit := range []int{c.Count / 2, c.Count} {
		joined := must(sarama.NewConsumerGroup([]string{c.Bootstrap}, c.Group, config()))
		m := &member{expected: expected, limit: limit, enough: make(chan struct{})}
		until, cancel := context.WithCancel(context.Background())
		go func() {
			<-m.enough
			cancel()
		}()
		for until.Err() == nil {
			if err := joined.Consume(until, []string{c.Topic}, m); err != nil && until.Err() == nil {
				pattern.Fail("%v", err)
			}
		}
		if err := joined.Close(); err != nil {
			pattern.Fail("close: %v", err)
		}
	}
	c.Done(expected.Seen)
}

func main() {
	c := pattern.FromArguments()
	map[string]func(*pattern.Case){"produce": produce, "assign": assign, "group": group}[c.Mode](c)
}
