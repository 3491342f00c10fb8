//go:build cgo

// Package histories has clients of several makes, and writes down what they did and were told, for `odradek check`.
package histories

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"odradek/linearizability"
)

// Recorder writes down what clients do with a topic.
type Recorder struct {
	Topic      string
	Partitions int32 // Porcupine judges each by itself
	Start      time.Time
	Pace       time.Duration // between two records of a producer, if more than 200 µs
	Drain      time.Duration // how long producers may take to end what is under way
	mu         sync.Mutex
	all        linearizability.History
	last       uint64 // value given out
	done       int    // produces that have ended
	acked      int
	reads      int
}

func (r *Recorder) now() int64 { return int64(time.Since(r.Start)) }

// Counts are the produces that have ended, those of them that were acknowledged, and the reads.
func (r *Recorder) Counts() (produces, acked, reads int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done, r.acked, r.reads
}

// promise writes down what a producing process is promised. The last one of a process counts, for all that it does.
func (r *Recorder) promise(process int, g linearizability.Guarantee) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, linearizability.Operation{Op: linearizability.Client, Process: process, Guarantee: g})
}

// promised is the last promise to a process.
func (r *Recorder) promised(process int) (g linearizability.Guarantee) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, op := range r.all {
		if op.Op == linearizability.Client && op.Process == process {
			g = op.Guarantee
		}
	}
	return g
}

// Withdrawn are the processes that ended with a lesser promise than they began with.
func (r *Recorder) Withdrawn() (list []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := map[int]linearizability.Guarantee{}
	for _, op := range r.all {
		if op.Op != linearizability.Client {
			continue
		}
		if was, ok := first[op.Process]; ok && was != op.Guarantee {
			list = append(list, op.Process)
		}
		first[op.Process] = op.Guarantee
	}
	return list
}

// begin begins a produce of one record. Its value is to be sent as encode writes it.
func (r *Recorder) begin(process int, partition int32, acks int16) *linearizability.Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	return &linearizability.Operation{Op: linearizability.Produce, Process: process, Topic: r.Topic, Partition: partition, Acks: acks,
		Values: []uint64{r.last}, Call: r.now(), Return: -1, Outcome: linearizability.Unknown, Offset: linearizability.NoOffset}
}

// sent ends a produce. An error says nothing of what the broker did.
func (r *Recorder) sent(op *linearizability.Operation, offset int64, err error) {
	if err == nil {
		op.Outcome, op.Offset, op.Return = linearizability.OK, max(offset, linearizability.NoOffset), r.now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, *op)
	r.done++
	if op.Outcome == linearizability.OK {
		r.acked++
	}
}

// reader turns records that come one by one into polls.
type reader struct {
	r       *Recorder
	process int
	polls   map[int32]*linearizability.Operation // of each partition, under way
	at      map[int32]int64                      // position
}

func (r *Recorder) reader(process int) *reader {
	return &reader{r: r, process: process, polls: map[int32]*linearizability.Operation{}, at: map[int32]int64{}}
}

// got takes a record of a poll that began at call.
func (d *reader) got(partition int32, offset int64, value []byte, call int64) error {
	if len(value) != 8 {
		return fmt.Errorf("partition %d offset %d: a value of %d bytes, which nobody sent", partition, offset, len(value))
	}
	p := d.polls[partition]
	stands := d.at[partition]
	if p != nil {
		stands = p.Offsets[len(p.Offsets)-1] + 1
	}
	if offset < stands { // a client that goes back by itself: no history can say so
		return fmt.Errorf("process %d, partition %d: offset %d was read after offset %d", d.process, partition, offset, stands-1)
	}
	if p == nil {
		p = &linearizability.Operation{Op: linearizability.Poll, Process: d.process, Topic: d.r.Topic, Partition: partition, Call: call, Offset: stands}
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

// ReadAll reads every partition from its start to its end.
func (r *Recorder) ReadAll(ctx context.Context, bootstrap string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...), kgo.ConsumeTopics(r.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer c.Close()
	starts, err := kadm.NewClient(c).ListStartOffsets(ctx, r.Topic)
	if err != nil {
		return err
	}
	ends, err := kadm.NewClient(c).ListEndOffsets(ctx, r.Topic)
	if err != nil {
		return err
	}
	finals := make([]linearizability.Operation, r.Partitions)
	left := 0
	for i := range finals {
		start, _ := starts.Lookup(r.Topic, int32(i))
		end, _ := ends.Lookup(r.Topic, int32(i))
		finals[i] = linearizability.Operation{Op: linearizability.Final, Topic: r.Topic, Partition: int32(i), Call: r.now(), Offset: start.Offset, Next: end.Offset}
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

// Write writes the history.
func (r *Recorder) Write(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(r.all.Write(file), file.Close())
}

// Compare compares what was acknowledged with what the final read found, without the judges' rules: an acknowledged record lies where the broker said, and those of
// exactly once are there once.
func (r *Recorder) Compare() error {
	promised, there, times := map[int]linearizability.Guarantee{}, map[uint64]int64{}, map[uint64]int{}
	for _, op := range r.all {
		switch op.Op {
		case linearizability.Client:
			promised[op.Process] = op.Guarantee
		case linearizability.Final:
			for i, v := range op.Values {
				there[v] = op.Offsets[i]
				times[v]++
			}
		}
	}
	lost, moved, twice := 0, 0, 0
	for _, op := range r.all {
		if op.Op != linearizability.Produce {
			continue
		}
		v, g := op.Values[0], promised[op.Process]
		at, found := there[v]
		switch {
		case op.Outcome == linearizability.OK && g != linearizability.AtMostOnce && !found:
			lost++
		case times[v] > 1 && g == linearizability.ExactlyOnce:
			twice++
		case op.Outcome == linearizability.OK && op.Offset != linearizability.NoOffset && times[v] == 1 && at != op.Offset:
			moved++
		}
	}
	if lost+moved+twice > 0 {
		return fmt.Errorf("of the acknowledged records %d are lost, %d lie elsewhere, and %d of exactly once are there again", lost, moved, twice)
	}
	return nil
}
