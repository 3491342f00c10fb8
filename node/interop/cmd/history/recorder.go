//go:build cgo

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"odradek/linearizability"
)

// recorder writes down what clients do.
type recorder struct {
	start time.Time
	mu    sync.Mutex
	all   linearizability.History
	last  uint64 // value given out
	done  int    // produces that have ended
	reads int
}

func (r *recorder) now() int64 { return int64(time.Since(r.start)) }

func (r *recorder) ended() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

// promise writes down what a producing process is promised.
func (r *recorder) promise(process int, g linearizability.Guarantee) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, linearizability.Operation{Op: linearizability.Client, Process: process, Guarantee: g})
}

// begin begins a produce of one record. Its value is to be sent as encode writes it.
func (r *recorder) begin(process int, partition int32, acks int16) *linearizability.Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	return &linearizability.Operation{Op: linearizability.Produce, Process: process, Topic: topic, Partition: partition, Acks: acks,
		Values: []uint64{r.last}, Call: r.now(), Return: -1, Outcome: linearizability.Unknown, Offset: linearizability.NoOffset}
}

// sent ends a produce. An error says nothing of what the broker did.
func (r *recorder) sent(op *linearizability.Operation, offset int64, err error) {
	if err == nil {
		op.Outcome, op.Offset, op.Return = linearizability.OK, max(offset, linearizability.NoOffset), r.now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, *op)
	r.done++
}

// reader turns records that come one by one into polls.
type reader struct {
	r       *recorder
	process int
	polls   map[int32]*linearizability.Operation // of each partition, under way
	at      map[int32]int64                      // position
}

func (r *recorder) reader(process int) *reader {
	return &reader{r: r, process: process, polls: map[int32]*linearizability.Operation{}, at: map[int32]int64{}}
}

// got takes a record of a poll that began at call.
func (d *reader) got(partition int32, offset int64, value []byte, call int64) error {
	if len(value) != 8 {
		return fmt.Errorf("partition %d offset %d: a value of %d bytes, which nobody sent", partition, offset, len(value))
	}
	p := d.polls[partition]
	if p == nil {
		p = &linearizability.Operation{Op: linearizability.Poll, Process: d.process, Topic: topic, Partition: partition, Call: call, Offset: d.at[partition]}
		d.polls[partition] = p
	}
	p.Offsets, p.Values = append(p.Offsets, offset), append(p.Values, binary.BigEndian.Uint64(value))
	return nil
}

// end ends the polls under way.
func (d *reader) end() {
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	for partition, p := range d.polls { // any order: each is of another partition
		p.Next, p.Return = p.Offsets[len(p.Offsets)-1]+1, d.r.now()
		d.at[partition] = p.Next
		d.r.all = append(d.r.all, *p)
		d.r.reads++
	}
	clear(d.polls)
}

func encode(op *linearizability.Operation) []byte {
	return binary.BigEndian.AppendUint64(nil, op.Values[0])
}

// readAll reads every partition from its start to its end.
func (r *recorder) readAll(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer c.Close()
	starts, err := kadm.NewClient(c).ListStartOffsets(ctx, topic)
	if err != nil {
		return err
	}
	ends, err := kadm.NewClient(c).ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	finals := make([]linearizability.Operation, partitions)
	left := 0
	for i := range finals {
		start, _ := starts.Lookup(topic, int32(i))
		end, _ := ends.Lookup(topic, int32(i))
		finals[i] = linearizability.Operation{Op: linearizability.Final, Topic: topic, Partition: int32(i), Call: r.now(), Offset: start.Offset, Next: end.Offset}
		left += int(end.Offset - start.Offset)
	}
	for left > 0 {
		fetched := c.PollFetches(ctx)
		if err := fetched.Err(); err != nil {
			return fmt.Errorf("reading all: %d records are missing: %w", left, err)
		}
		fetched.EachRecord(func(k *kgo.Record) {
			f := &finals[k.Partition]
			if left--; len(k.Value) != 8 {
				err = errors.Join(err, fmt.Errorf("partition %d offset %d: a value of %d bytes", k.Partition, k.Offset, len(k.Value)))
				return
			}
			f.Offsets, f.Values = append(f.Offsets, k.Offset), append(f.Values, binary.BigEndian.Uint64(k.Value))
		})
	}
	for i := range finals {
		finals[i].Return = r.now()
		r.all = append(r.all, finals[i])
	}
	return err
}

func (r *recorder) write(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(r.all.Write(file), file.Close())
}
