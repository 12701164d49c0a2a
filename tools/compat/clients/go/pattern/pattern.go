// Package pattern has the records that every verify program writes and expects; the contract is in README.md.
package pattern

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// QuietSeconds is how long a reader waits for news before it gives up.
const QuietSeconds = 60

// Case is one run's arguments.
type Case struct {
	Mode, Bootstrap, Topic, Sizes, Codec, Acks, Group string
	Partitions, Count                                 int
	Idempotent                                        bool
	began                                             time.Time
	block                                             []byte
}

// FromArguments reads the command line.
func FromArguments() *Case {
	a := os.Args[1:]
	if len(a) != 10 {
		Fail("ten arguments are needed, see README.md")
	}
	c := &Case{Mode: a[0], Bootstrap: a[1], Topic: a[2], Sizes: a[5], Codec: a[6], Acks: a[7],
		Idempotent: a[8] == "true", Group: a[9], began: time.Now(), block: make([]byte, 1<<20+1<<16)}
	c.Partitions, _ = strconv.Atoi(a[3])
	c.Count, _ = strconv.Atoi(a[4])
	state := uint32(1)
	for i := range c.block {
		state = state*1664525 + 1013904223
		c.block[i] = byte(state>>24&63) + 32
	}
	return c
}

// Fail ends the program with what differs.
func Fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "verify: "+format+"\n", arguments...)
	os.Exit(1)
}

// Done prints the last line.
func (c *Case) Done(records int) {
	fmt.Printf("ok %d %.1f\n", records, time.Since(c.began).Seconds())
}

// Value is the value of one record.
func (c *Case) Value(partition int32, sequence int64) []byte {
	h := uint32(sequence)*2654435761 + uint32(partition)*40503
	h ^= h >> 15
	h *= 2246822519
	h ^= h >> 13
	var size uint32
	switch {
	case c.Sizes == "small":
		size = 10 + h%1015
	case h%500 == 0:
		size = 1 << 20
	default:
		size = 10 + (h>>8)%(16<<(h%13)-9)
	}
	begin := (h >> 3) % 65536
	return append(fmt.Appendf(make([]byte, 0, size), "%07d%03d", sequence, partition), c.block[begin:begin+size-10]...)
}

// Key is its key.
func Key(sequence int64) []byte {
	if sequence%2 != 0 {
		return nil
	}
	return fmt.Appendf(nil, "k%d", sequence)
}

// HeaderValue is the value of its header h, or nil when it has none.
func HeaderValue(sequence int64) []byte {
	if sequence%16 != 0 {
		return nil
	}
	return fmt.Appendf(nil, "%d", sequence)
}

// Expected is what a reader has seen, and must see next.
type Expected struct {
	Case *Case
	Seen int
	Next []int64
}

// NewExpected expects everything from the beginning.
func (c *Case) NewExpected() *Expected {
	return &Expected{Case: c, Next: make([]int64, c.Partitions)}
}

// Take checks the next record.
func (e *Expected) Take(partition int32, offset int64, key, value, header []byte) {
	sequence := e.Next[partition]
	if offset != sequence {
		Fail("partition %d: offset %d where %d is next (missing, twice or out of order)", partition, offset, sequence)
	}
	if !bytes.Equal(value, e.Case.Value(partition, sequence)) {
		Fail("partition %d offset %d: value of %d bytes differs", partition, offset, len(value))
	}
	if !bytes.Equal(key, Key(sequence)) || (key == nil) != (Key(sequence) == nil) {
		Fail("partition %d offset %d: key %q differs", partition, offset, key)
	}
	if !bytes.Equal(header, HeaderValue(sequence)) {
		Fail("partition %d offset %d: header %q differs", partition, offset, header)
	}
	e.Next[partition]++
	e.Seen++
}

// Quiet ends the program: nothing comes any more.
func (e *Expected) Quiet() {
	Fail("nothing more in %d s: %d of %d read, next %v", QuietSeconds, e.Seen, e.Case.Count, e.Next)
}
