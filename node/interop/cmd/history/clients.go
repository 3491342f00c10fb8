//go:build cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kgo"

	"odradek/linearizability"
)

// client runs one client until ctx ends.
type client func(ctx context.Context, address string, r *recorder) error

var producers = []client{
	franzProducer(1, linearizability.ExactlyOnce),
	franzProducer(2, linearizability.AtLeastOnce, kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck()), kgo.MaxProduceRequestsInflightPerBroker(5)),
	rdProducer(3, linearizability.ExactlyOnce, -1, kafka.ConfigMap{"enable.idempotence": true}),
	rdProducer(4, linearizability.AtLeastOnce, -1, kafka.ConfigMap{"enable.idempotence": false, "acks": "all", "message.send.max.retries": 1000}),
	rdProducer(5, linearizability.AtMostOnce, 0, kafka.ConfigMap{"enable.idempotence": false, "acks": "0", "message.send.max.retries": 0}),
}

var consumers = []client{franzConsumer(11), franzConsumer(12), rdConsumer(13)}

// window is how many records of a client are under way at most, and pace how long it waits before each: the histories are to be long, not crowded.
const (
	window = 100
	pace   = 200 * time.Microsecond
)

func pick() int32 { return rand.Int32N(partitions) }

// slots bounds how many are under way; wait returns when none is.
type slots chan struct{}

func (s slots) take(ctx context.Context) bool {
	time.Sleep(pace)
	select {
	case s <- struct{}{}:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

func franzProducer(process int, g linearizability.Guarantee, opts ...kgo.Opt) client {
	return func(ctx context.Context, address string, r *recorder) error {
		all := append([]kgo.Opt{kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(2 * time.Millisecond)}, opts...)
		c, err := kgo.NewClient(all...)
		if err != nil {
			return err
		}
		defer c.Close()
		r.promise(process, g)
		acks := int16(-1)
		if g == linearizability.AtLeastOnce {
			acks = 1
		}
		under := make(slots, window)
		for under.take(ctx) {
			op := r.begin(process, pick(), acks)
			c.Produce(context.Background(), &kgo.Record{Topic: topic, Partition: op.Partition, Value: encode(op)}, func(k *kgo.Record, err error) {
				r.sent(op, k.Offset, err)
				<-under
			})
		}
		flush, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		return c.Flush(flush)
	}
}

func rdProducer(process int, g linearizability.Guarantee, acks int16, set kafka.ConfigMap) client {
	return func(ctx context.Context, address string, r *recorder) error {
		all := kafka.ConfigMap{"bootstrap.servers": address, "linger.ms": 2, "reconnect.backoff.max.ms": 200, "retry.backoff.max.ms": 200, "log_level": 0}
		for k, v := range set {
			all[k] = v
		}
		p, err := kafka.NewProducer(&all)
		if err != nil {
			return err
		}
		defer p.Close()
		r.promise(process, g)
		under := make(slots, window)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for e := range p.Events() {
				if m, ok := e.(*kafka.Message); ok {
					r.sent(m.Opaque.(*linearizability.Operation), int64(m.TopicPartition.Offset), m.TopicPartition.Error)
					<-under
				}
			}
		}()
		name := topic
		for under.take(ctx) {
			op := r.begin(process, pick(), acks)
			m := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &name, Partition: op.Partition}, Value: encode(op), Opaque: op}
			if err := p.Produce(m, nil); err != nil {
				return err
			}
		}
		if left := p.Flush(30_000); left > 0 {
			return fmt.Errorf("librdkafka, process %d: %d records are not done after 30 s", process, left)
		}
		return nil
	}
}

func franzConsumer(process int) client {
	return func(ctx context.Context, address string, r *recorder) error {
		c, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
		if err != nil {
			return err
		}
		defer c.Close()
		d := r.reader(process)
		for ctx.Err() == nil {
			call := r.now()
			fetched := c.PollRecords(ctx, 500)
			var bad error
			fetched.EachRecord(func(k *kgo.Record) { bad = errors.Join(bad, d.got(k.Partition, k.Offset, k.Value, call)) })
			if bad != nil {
				return bad
			}
			d.end()
		}
		return nil
	}
}

func rdConsumer(process int) client {
	return func(ctx context.Context, address string, r *recorder) error {
		c, err := kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": address, "group.id": "none", "enable.auto.commit": false, "auto.offset.reset": "error",
			"reconnect.backoff.max.ms": 200, "log_level": 0})
		if err != nil {
			return err
		}
		defer c.Close()
		name := topic
		var all []kafka.TopicPartition
		for i := range int32(partitions) {
			all = append(all, kafka.TopicPartition{Topic: &name, Partition: i, Offset: 0})
		}
		if err := c.Assign(all); err != nil {
			return err
		}
		d := r.reader(process)
		for ctx.Err() == nil {
			call := r.now()
			for range 500 {
				m, ok := c.Poll(10).(*kafka.Message)
				if !ok {
					break
				}
				if err := errors.Join(m.TopicPartition.Error, d.got(m.TopicPartition.Partition, int64(m.TopicPartition.Offset), m.Value, call)); err != nil {
					return err
				}
			}
			d.end()
		}
		return nil
	}
}
