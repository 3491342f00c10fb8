package clientlib

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
	"odradek/core/record"
)

// produceTo sends records whose values count up, round robin over the partitions.
func produceTo(t *testing.T, c *Client, topic string, count int, cfg proto.ProducerConfig) *Producer {
	t.Helper()
	p := c.producer
	if p == nil {
		var err error
		if p, err = c.Producer(cfg); err != nil {
			t.Fatal(err)
		}
	}
	for i := range count {
		if err := p.Send(context.Background(), &Record{Topic: topic, Partition: NoPartition, Value: fmt.Appendf(nil, "%d", i), Headers: []Header{{"n", nil}}}, func(_ Sent, err error) {
			if err != nil {
				t.Errorf("record %d: %v", i, err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	return p
}

// read polls until so many records have come, and checks that offsets follow one another.
func read(t *testing.T, k *Consumer, count int, next map[int32]int64) []Consumed {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var all []Consumed
	for len(all) < count {
		records, err := k.Poll(ctx)
		if err != nil {
			t.Fatalf("after %d records: %v", len(all), err)
		}
		for _, r := range records {
			if want, ok := next[r.Partition]; ok && r.Offset != want {
				t.Fatalf("partition %d: offset %d, want %d", r.Partition, r.Offset, want)
			}
			next[r.Partition] = r.Offset + 1
		}
		all = append(all, records...)
		if position, _, _ := k.Position(records[0].Topic, records[0].Partition); position != next[records[0].Partition] {
			t.Fatalf("the position is %d, read was up to %d", position, next[records[0].Partition])
		}
	}
	return all
}

// Everything that was produced is read once, in order, over a restart of the broker, with small and large answers.
func TestConsumer(t *testing.T) {
	for name, cfg := range map[string]proto.ConsumerConfig{"default": {}, "small": {MaxBytes: 3000, PartitionMaxBytes: 500}, "committed": {ReadCommitted: true, MaxWait: int64(20 * time.Millisecond)}} { // any order: each by itself
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			n := startNode(t, dir, "127.0.0.1:0")
			at := address(n)
			c := newClient(t, at)
			createTopic(t, c, "t", 4)
			const count = 4000
			produceTo(t, c, "t", count, proto.ProducerConfig{BatchSize: 1000, Compression: record.CodecSnappy})
			k, err := c.Consumer(cfg)
			if err != nil {
				t.Fatal(err)
			}
			next := map[int32]int64{}
			for i := range int32(4) {
				k.Assign("t", i, proto.Earliest())
				next[i] = 0
			}
			seen := map[string]bool{}
			for _, r := range read(t, k, count/2, next) {
				seen[string(r.Value)] = true
			}
			stopNode(t, n)
			n = startNode(t, dir, at)
			defer func() { stopNode(t, n) }()
			for _, r := range read(t, k, count-len(seen), next) {
				seen[string(r.Value)] = true
			}
			if len(seen) != count {
				t.Errorf("%d of %d records were read", len(seen), count)
			}
			produceTo(t, c, "t", 8, proto.ProducerConfig{}) // the reader waits at the end
			read(t, k, 8, next)
		})
	}
}

// Positions: by offset, by time, from the end, at the end; outside the log by the policy or with an error; seeks drop what was read ahead.
func TestPositions(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0")
	defer func() { stopNode(t, n) }()
	c := newClient(t, address(n))
	createTopic(t, c, "t", 1)
	p, err := c.Producer(proto.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	base := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	for i := range 10 {
		if _, err := p.SendWait(ctx, &Record{Topic: "t", Partition: 0, Value: fmt.Appendf(nil, "%d", i), Timestamp: base.Add(time.Duration(i) * time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	k, err := c.Consumer(proto.ConsumerConfig{Reset: proto.ResetNone})
	if err != nil {
		t.Fatal(err)
	}
	k.Assign("t", 0, proto.At(3))
	first := func(want int64) {
		t.Helper()
		records, err := k.Poll(ctx)
		if err != nil || records[0].Offset != want {
			t.Fatalf("%v, %v; want offset %d", records, err, want)
		}
	}
	first(3)
	for want, start := range map[int64]proto.Start{5: proto.AtTime(record.UnixMillis(base.Add(4500 * time.Millisecond).UnixMilli())), 8: proto.Latest(2), 0: proto.Latest(100)} { // any order: each by itself
		k.Seek("t", 0, start)
		first(want)
	}
	k.Seek("t", 0, proto.At(99))
	_, err = k.Poll(ctx)
	wantError(t, err, errcode.OffsetOutOfRange, proto.ErrOffsetOutOfRange, "offset 99")
	short, cancelShort := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancelShort()
	if _, err := k.Poll(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a partition that cannot be read is read on: %v", err)
	}
	k.Seek("t", 0, proto.Earliest())
	first(0)
	k.Pause("t", 0, true)
	k.Seek("t", 0, proto.At(4))
	paused, cancelPaused := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancelPaused()
	if _, err := k.Poll(paused); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused partition is read: %v", err)
	}
	k.Pause("t", 0, false)
	first(4)
	k.Assign("t", 7, proto.Earliest())
	k.Unassign("t", 0)
	_, err = k.Poll(paused)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a partition that there is not: %v", err)
	}
}

// Where auto.offset.reset puts a position the application is told, before what is read from there.
func TestMovedIsTold(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0")
	defer func() { stopNode(t, n) }()
	c := newClient(t, address(n))
	createTopic(t, c, "t", 1)
	produceTo(t, c, "t", 10, proto.ProducerConfig{})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := c.Admin().DeleteRecords(ctx, DeleteTo{TopicPartition{"t", 0}, 6}); err != nil {
		t.Fatal(err)
	}
	k, err := c.Consumer(proto.ConsumerConfig{Reset: proto.ResetEarliest})
	if err != nil {
		t.Fatal(err)
	}
	k.Assign("t", 0, proto.At(2))
	f, err := k.PollPartition(ctx)
	if want := (Moved{"t", 0, 2, 6}); err != nil || f.Moved == nil || *f.Moved != want || len(f.Records) > 0 {
		t.Fatalf("%+v, %v; want %+v", f, err, want)
	}
	if f, err = k.PollPartition(ctx); err != nil || f.Moved != nil || f.Records[0].Offset != 6 {
		t.Errorf("then %+v, %v", f, err)
	}
}
