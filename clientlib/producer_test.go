package clientlib

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"odradek/clientlib/proto"
	"odradek/core"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/node/runtime"
)

// Every record is delivered once, with the offset that it has in the log, in the order of Send, whatever the settings, over a restart of the broker.
func TestProducer(t *testing.T) {
	for name, cfg := range map[string]proto.ProducerConfig{ // any order: each by itself
		"default": {}, "zstd": {Compression: record.CodecZstd, BatchSize: 2000}, "at once": {Linger: -1, BatchSize: 300}, "leader": {Acks: proto.AcksLeader, InFlight: 1},
		"sticky": {Partitioner: proto.Sticky, BufferMemory: 20_000},
	} {
		t.Run(name, func(t *testing.T) { produceOverRestart(t, cfg) })
	}
}

func produceOverRestart(t *testing.T, cfg proto.ProducerConfig) {
	dir := t.TempDir()
	n := startNode(t, dir, "127.0.0.1:0")
	at := address(n)
	c := newClient(t, at)
	createTopic(t, c, "t", 4)
	p, err := c.Producer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	const count = 3000
	next := map[int32]int64{}
	last := map[int32]int{}
	delivered := 0
	for i := range count {
		r := &Record{Topic: "t", Partition: NoPartition, Value: fmt.Appendf(nil, "%d", i), Headers: []Header{{"h", []byte("v")}}}
		if i%3 == 0 {
			r.Key = fmt.Appendf(nil, "key-%d", i%17)
		}
		err := p.Send(context.Background(), r, func(s Sent, err error) {
			delivered++
			if err != nil {
				t.Errorf("record %d: %v", i, err)
			}
			if s.Offset != next[s.Partition] || i <= last[s.Partition] && next[s.Partition] > 0 {
				t.Errorf("record %d has offset %d of partition %d, want %d; the one before was record %d", i, s.Offset, s.Partition, next[s.Partition], last[s.Partition])
			}
			next[s.Partition], last[s.Partition] = s.Offset+1, i
		})
		if err != nil {
			t.Fatal(err)
		}
		if i == count/2 {
			stopNode(t, n)
			n = startNode(t, dir, at)
		}
	}
	defer func() { stopNode(t, n) }()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if delivered != count || len(next) != 4 {
		t.Fatalf("%d of %d records are delivered, to %d partitions", delivered, count, len(next))
	}
	s, err := p.SendWait(ctx, &Record{Topic: "t", Partition: 2, Value: []byte("last")})
	if err != nil || s.Partition != 2 || s.Offset != next[2] {
		t.Errorf("%+v, %v; want offset %d", s, err, next[2])
	}
}

// What the broker refuses is told record by record, and does not stop what follows.
func TestProducerErrors(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0", core.KeyValue{Key: "auto.create.topics.enable", Value: "false"}, core.KeyValue{Key: "message.max.bytes", Value: "5000"})
	defer func(n *runtime.Node) { stopNode(t, n) }(n)
	c := newClient(t, address(n))
	createTopic(t, c, "t", 1)
	p, err := c.Producer(proto.ProducerConfig{DeliveryTimeout: int64(2 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	_, err = p.SendWait(ctx, &Record{Topic: "t", Partition: NoPartition, Value: bytes.Repeat([]byte("x"), 10_000)})
	wantError(t, err, errcode.MessageTooLarge, nil, "max.message.bytes")
	_, err = p.SendWait(ctx, &Record{Topic: "t", Partition: 5})
	wantError(t, err, errcode.UnknownTopicOrPartition, nil, "Produce t-5")
	_, err = p.SendWait(ctx, &Record{Topic: "none", Partition: NoPartition})
	wantError(t, err, errcode.UnknownTopicOrPartition, nil, "Produce none")
	_, err = p.SendWait(ctx, &Record{Topic: "t", Partition: NoPartition, Value: make([]byte, 2<<20)})
	if !errors.Is(err, proto.ErrTooLarge) {
		t.Errorf("a record above max.request.size: %v", err)
	}
	_, err = p.SendWait(ctx, &Record{Topic: "t", Partition: NoPartition, Value: []byte("old"), Timestamp: time.Now().Add(48 * time.Hour)})
	wantError(t, err, errcode.InvalidTimestamp, nil, "record 0 of 1")
	if s, err := p.SendWait(ctx, &Record{Topic: "t", Partition: NoPartition, Value: []byte("good")}); err != nil || s.Offset != 0 {
		t.Errorf("after refusals: %+v, %v", s, err)
	}
}
