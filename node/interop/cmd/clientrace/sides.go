package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"odradek/clientlib"
	"odradek/clientlib/proto"
)

const linger = 5 * time.Millisecond

// value is what every record holds; neither client may keep it.
func value(c cell) []byte {
	v := make([]byte, c.size)
	for i := range v {
		v[i] = byte('a' + i%26)
	}
	return v
}

// ourProduce may send a batch of each partition in one request, as franz-go does, whose limit is 100 MiB.
func ourProduce(ctx context.Context, at, topic string, c cell) error {
	client, err := clientlib.New(clientlib.Config{Bootstrap: at, Timeout: 20 * time.Second})
	if err != nil {
		return err
	}
	defer client.Close()
	p, err := client.Producer(proto.ProducerConfig{BatchSize: c.batch, Linger: int64(linger), MaxRequestSize: partitions*c.batch + 1<<20})
	if err != nil {
		return err
	}
	v, sent := value(c), 0
	var failed error
	done := func(_ clientlib.Sent, err error) {
		if sent++; err != nil {
			failed = err
		}
	}
	for i := range c.records {
		if err := p.Send(ctx, &clientlib.Record{Topic: topic, Partition: int32(i % partitions), Value: v}, done); err != nil {
			return err
		}
	}
	if err := p.Flush(ctx); err != nil {
		return err
	}
	return complete(sent, c, failed)
}

func complete(n int, c cell, failed error) error {
	if n != c.records && failed == nil {
		failed = fmt.Errorf("%d of %d records", n, c.records)
	}
	return failed
}

func ourConsume(ctx context.Context, at, topic string, c cell) error {
	client, err := clientlib.New(clientlib.Config{Bootstrap: at, Timeout: 20 * time.Second})
	if err != nil {
		return err
	}
	defer client.Close()
	k, err := client.Consumer(proto.ConsumerConfig{})
	if err != nil {
		return err
	}
	for i := range int32(partitions) {
		k.Assign(topic, i, proto.Earliest())
	}
	n := 0
	for n < c.records {
		records, err := k.Poll(ctx)
		if err != nil {
			return err
		}
		for i := range records {
			if len(records[i].Value) != c.size {
				return errors.New("a record of another size")
			}
		}
		n += len(records)
	}
	return complete(n, c, nil)
}

func franzProduce(ctx context.Context, at, topic string, c cell) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(at), kgo.ProducerBatchMaxBytes(int32(c.batch)), kgo.ProducerLinger(linger), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MaxBufferedBytes(32<<20), kgo.MaxBufferedRecords(1<<20), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	v := value(c)
	var sent atomic.Int64
	var failed atomic.Pointer[error]
	done := func(_ *kgo.Record, err error) {
		if sent.Add(1); err != nil {
			failed.Store(&err)
		}
	}
	for i := range c.records {
		client.Produce(ctx, &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: v}, done)
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return *err
	}
	return complete(int(sent.Load()), c, nil)
}

func franzConsume(ctx context.Context, at, topic string, c cell) error {
	from := map[string]map[int32]kgo.Offset{topic: {}}
	for i := range int32(partitions) {
		from[topic][i] = kgo.NewOffset().AtStart()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(at), kgo.ConsumePartitions(from), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	n := 0
	for n < c.records {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		wrong := false
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			wrong = wrong || len(r.Value) != c.size
		})
		if wrong {
			return errors.New("a record of another size")
		}
	}
	return complete(n, c, nil)
}
