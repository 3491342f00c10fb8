package clientlib

import (
	"context"
	"errors"
	"time"

	"odradek/clientlib/proto"
	"odradek/core/record"
)

// Record is one record to send. A nil Key or Value is null.
type Record struct {
	Topic      string
	Partition  int32 // as wanted; NoPartition leaves it to the key, or else to the producer
	Key, Value []byte
	Headers    []Header
	Timestamp  time.Time // zero: now
}

// NoPartition leaves the choice of a partition to the producer.
const NoPartition int32 = -1

// Header is a record's header.
type Header struct {
	Key   string
	Value []byte
}

// Sent tells where a record is in the log.
type Sent struct {
	Topic     string
	Partition int32
	Offset    int64     // -1: the broker did not say (acks=0, or a duplicate that it no longer knows)
	Timestamp time.Time // that the broker gave it; zero if it kept its own
}

// Producer sends records: see proto.Producer for what it promises. It may be used by any number of goroutines; the order of records of one partition is that
// in which Send was called.
type Producer struct {
	c       *Client
	machine *proto.Producer
	last    uint64
	waiting map[uint64]func(Sent, error)
	room    chan struct{} // closed and made anew at each delivery
}

// Producer makes the client's producer. A client has one.
func (c *Client) Producer(cfg proto.ProducerConfig) (*Producer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.producer != nil {
		return nil, errors.New("the client has a producer already: make another client for another one")
	}
	c.producer = &Producer{c: c, machine: c.machine.NewProducer(cfg), waiting: map[uint64]func(Sent, error){}, room: make(chan struct{})}
	return c.producer, nil
}

// Send takes a record to be sent; its bytes are the caller's again when it returns. done is told what became of it, in the order of offsets for each partition,
// on a goroutine of the client's: it must not wait. While buffer.memory is full Send waits.
func (p *Producer) Send(ctx context.Context, r *Record, done func(Sent, error)) error {
	m := proto.Message{Key: r.Key, Value: r.Value, Timestamp: record.UnixMillis(r.Timestamp.UnixMilli())}
	if r.Timestamp.IsZero() {
		m.Timestamp = record.UnixMillis(time.Now().UnixMilli())
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, record.Header{Key: []byte(h.Key), Value: h.Value})
	}
	for {
		room, err := p.send(r.Topic, r.Partition, &m, done)
		if !errors.Is(err, proto.ErrFull) {
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.c.ctx.Done():
			return closedError
		}
	}
}

func (p *Producer) send(topic string, partition int32, m *proto.Message, done func(Sent, error)) (room chan struct{}, err error) {
	c := p.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, closedError
	}
	p.last++
	p.waiting[p.last] = done
	urgent, err := p.machine.Send(c.machine, c.now(), p.last, topic, partition, m)
	if err != nil {
		delete(p.waiting, p.last)
		return p.room, err
	}
	if urgent {
		c.carryOut()
	}
	return nil, nil
}

// SendWait sends a record and waits for what becomes of it.
func (p *Producer) SendWait(ctx context.Context, r *Record) (Sent, error) {
	type outcome struct {
		sent Sent
		err  error
	}
	done := make(chan outcome, 1)
	if err := p.Send(ctx, r, func(s Sent, err error) { done <- outcome{s, err} }); err != nil {
		return Sent{}, err
	}
	p.c.step(func(m *proto.Client, now int64) { p.machine.Flush(m, now) })
	select {
	case o := <-done:
		return o.sent, o.err
	case <-ctx.Done():
		return Sent{}, ctx.Err()
	}
}

// Flush sends what was given and waits until all of it is delivered or given up.
func (p *Producer) Flush(ctx context.Context) error {
	for {
		p.c.mu.Lock()
		if p.c.closed {
			p.c.mu.Unlock()
			return closedError
		}
		left, room := p.machine.Buffered(), p.room
		if left > 0 {
			p.machine.Flush(p.c.machine, p.c.now())
			p.c.carryOut()
			room = p.room
			left = p.machine.Buffered()
		}
		p.c.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.c.ctx.Done():
			return closedError
		}
	}
}

// delivered tells the callbacks. The caller holds the client's mu.
func (p *Producer) delivered(list []proto.Delivery) {
	for i := range list {
		d := &list[i]
		sent := Sent{Topic: d.Topic, Partition: d.Partition, Offset: int64(d.Offset)}
		if d.Timestamp != record.NoTimestamp {
			sent.Timestamp = time.UnixMilli(int64(d.Timestamp))
		}
		for _, id := range d.IDs {
			if done := p.waiting[id]; done != nil {
				done(sent, d.Err)
			}
			delete(p.waiting, id)
			if sent.Offset >= 0 {
				sent.Offset++
			}
		}
	}
	if len(list) > 0 {
		close(p.room)
		p.room = make(chan struct{})
	}
}
