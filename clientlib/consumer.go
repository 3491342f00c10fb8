package clientlib

import (
	"context"
	"errors"
	"slices"
	"time"

	"odradek/clientlib/proto"
	"odradek/core/record"
	"odradek/net/codec"
)

// Consumer reads assigned partitions. It may be used by any number of goroutines, but for Poll, which one calls at a time.
type Consumer struct {
	c       *Client
	machine *proto.Consumer
	codec   codec.Codec

	received []proto.Received // scratch of Poll
	moved    []Moved          // not yet returned by PollPartition: one for a partition at most
	ready    chan struct{}    // holds one when Take may have something
}

// Consumed is a record that was read. Key, Value and Headers are the caller's; those of one answer share memory.
type Consumed struct {
	Topic       string
	Partition   int32
	Offset      int64
	LeaderEpoch int32 // -1: unknown
	Timestamp   time.Time
	Key, Value  []byte
	Headers     []Header

	// Of the batch that the record came in.
	Attributes    int16 // bits 0-2 the codec, 3 log append time, 4 transactional, 5 control
	ProducerID    int64 // -1: none
	ProducerEpoch int16 // -1: none
}

// Fetched is what one answer brought of a partition, and where its log was then.
type Fetched struct {
	Topic         string
	Partition     int32
	Records       []Consumed // by offset; none if all of them were markers or of aborted transactions
	LogStart      int64      // -1: unknown
	LastStable    int64      // -1: unknown
	HighWatermark int64
	Moved         *Moved // nil: Position is where the last answer left it
}

// Moved tells that a partition's position was outside the log, because retention or DeleteRecords had overtaken it, or the log had lost its end; and where
// auto.offset.reset put it. What lies between is passed over, or read again.
type Moved struct {
	Topic     string
	Partition int32
	From, To  int64
}

// Consumer makes the client's consumer. A client has one.
func (c *Client) Consumer(cfg proto.ConsumerConfig) (*Consumer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.consumer != nil {
		return nil, errors.New("the client has a consumer already: make another client for another one")
	}
	c.consumer = &Consumer{c: c, machine: c.machine.NewConsumer(cfg), ready: make(chan struct{}, 1)}
	return c.consumer, nil
}

// Assign has a partition read from start on; one that is read already begins anew.
func (k *Consumer) Assign(topic string, partition int32, start proto.Start) {
	k.c.step(func(m *proto.Client, now int64) { k.machine.Assign(m, now, topic, partition, start) })
}

// Unassign ends the reading of a partition. What Poll has not returned of it is dropped.
func (k *Consumer) Unassign(topic string, partition int32) {
	k.c.step(func(m *proto.Client, now int64) { k.machine.Unassign(m, now, topic, partition) })
}

// Seek has an assigned partition read from elsewhere; it does nothing for others.
func (k *Consumer) Seek(topic string, partition int32, start proto.Start) {
	k.c.step(func(m *proto.Client, now int64) { k.machine.Seek(m, now, topic, partition, start) })
}

// Pause holds an assigned partition up, or has it go on.
func (k *Consumer) Pause(topic string, partition int32, paused bool) {
	k.c.step(func(m *proto.Client, now int64) { k.machine.Pause(m, now, topic, partition, paused) })
}

// Position is the offset of the next record that Poll will return of a partition, and the high watermark and log start as last heard; -1 where unknown.
func (k *Consumer) Position(topic string, partition int32) (position, highWatermark, logStart int64) {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	p, hw, start := k.machine.Position(topic, partition)
	return int64(p), int64(hw), int64(start)
}

// Poll returns records of one partition, in order: what one answer brought. It waits for some until ctx ends. An error is of one partition (a *proto.Error):
// it is not read on until Seek; others are. Poll does not tell where auto.offset.reset has moved a position: PollPartition does.
func (k *Consumer) Poll(ctx context.Context) ([]Consumed, error) {
	for {
		f, err := k.PollPartition(ctx)
		if err != nil || len(f.Records) > 0 {
			return f.Records, err
		}
	}
}

// PollPartition is Poll, and tells where the partition's log was. It returns without records, too, where an answer brought none for the application: Position has
// moved on then.
func (k *Consumer) PollPartition(ctx context.Context) (Fetched, error) {
	for {
		var chunk *proto.Chunk
		k.c.mu.Lock()
		if k.c.closed {
			k.c.mu.Unlock()
			return Fetched{}, closedError
		}
		if len(k.moved) > 0 {
			m := k.moved[0]
			k.moved = k.moved[1:]
			k.c.mu.Unlock()
			return Fetched{Topic: m.Topic, Partition: m.Partition, LogStart: -1, LastStable: -1, HighWatermark: -1, Moved: &m}, nil
		}
		if chunk = k.machine.Take(k.c.machine, k.c.now()); chunk != nil {
			k.c.carryOut()
		}
		k.c.mu.Unlock()
		if chunk != nil {
			if chunk.Err != nil {
				return Fetched{}, chunk.Err
			}
			return k.decode(chunk)
		}
		select {
		case <-k.ready:
		case <-ctx.Done():
			return Fetched{}, ctx.Err()
		case <-k.c.ctx.Done():
			return Fetched{}, closedError
		}
	}
}

func (k *Consumer) decode(chunk *proto.Chunk) (Fetched, error) {
	f := Fetched{Topic: chunk.Topic, Partition: chunk.Partition, LogStart: int64(chunk.LogStart), LastStable: int64(chunk.LastStable), HighWatermark: int64(chunk.HighWatermark)}
	var err error
	k.received, err = chunk.Records(&k.codec, k.received[:0])
	f.Records = make([]Consumed, len(k.received))
	for i := range k.received {
		r := &k.received[i]
		out := &f.Records[i]
		*out = Consumed{Topic: chunk.Topic, Partition: chunk.Partition, Offset: int64(r.Offset), LeaderEpoch: int32(r.Epoch), Key: r.Key, Value: r.Value,
			Attributes: int16(r.Attributes), ProducerID: int64(r.ProducerID), ProducerEpoch: r.ProducerEpoch}
		if r.Timestamp != record.NoTimestamp {
			out.Timestamp = time.UnixMilli(int64(r.Timestamp))
		}
		if len(r.Headers) > 0 {
			out.Headers = make([]Header, len(r.Headers))
			for j, h := range r.Headers {
				out.Headers[j] = Header{string(h.Key), h.Value}
			}
		}
	}
	clear(k.received)
	return f, err
}

// took takes where positions were moved. One that is moved again before anybody asked has come from where it was first. The caller holds the client's mu.
func (k *Consumer) took(moved []proto.Moved) {
	for _, m := range moved {
		i := slices.IndexFunc(k.moved, func(o Moved) bool { return o.Topic == m.Topic && o.Partition == m.Partition })
		if i < 0 {
			k.moved = append(k.moved, Moved{m.Topic, m.Partition, int64(m.From), int64(m.To)})
		} else {
			k.moved[i].To = int64(m.To)
		}
	}
}

// wake lets Poll look. The caller holds the client's mu.
func (k *Consumer) wake() {
	if k.machine.Ready() || len(k.moved) > 0 {
		select {
		case k.ready <- struct{}{}:
		default:
		}
	}
}
