//go:build cgo

package histories

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kgo"

	"odradek/linearizability"
)

// Client runs one client until ctx ends.
type Client func(ctx context.Context, bootstrap string, r *Recorder) error

// Producers are clients that write. acks are of those that promise at least once: with acks=1 nothing survives the failure of a partition's leader.
func Producers(acks int16) []Client {
	atLeast := []kgo.Opt{kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.MaxProduceRequestsInflightPerBroker(5)}
	if acks == 1 {
		atLeast[1] = kgo.RequiredAcks(kgo.LeaderAck())
	}
	return []Client{
		franzProducer(1, linearizability.ExactlyOnce, -1),
		franzProducer(2, linearizability.AtLeastOnce, acks, atLeast...),
		rdProducer(3, linearizability.ExactlyOnce, -1, kafka.ConfigMap{"enable.idempotence": true}),
		rdProducer(4, linearizability.AtLeastOnce, -1, kafka.ConfigMap{"enable.idempotence": false, "acks": "all", "message.send.max.retries": 1000}),
		rdProducer(5, linearizability.AtMostOnce, 0, kafka.ConfigMap{"enable.idempotence": false, "acks": "0", "message.send.max.retries": 0}),
	}
}

// Consumers are clients that read all partitions, from the start.
func Consumers() []Client { return []Client{franzConsumer(11), franzConsumer(12), rdConsumer(13)} }

// window is how many records of a client are under way at most, and pace how long it waits before each: the histories are to be long, not crowded.
const (
	window = 100
	pace   = 200 * time.Microsecond
)

func (r *Recorder) pick() int32 { return rand.Int32N(r.Partitions) }

func (r *Recorder) pace() time.Duration { return max(pace, r.Pace) }

// slots bounds how many are under way; wait returns when none is.
type slots chan struct{}

func (s slots) take(ctx context.Context, pace time.Duration) bool {
	time.Sleep(pace)
	select {
	case s <- struct{}{}:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

func franzProducer(process int, g linearizability.Guarantee, acks int16, opts ...kgo.Opt) Client {
	return func(ctx context.Context, bootstrap string, r *Recorder) error {
		all := append([]kgo.Opt{kgo.SeedBrokers(strings.Split(bootstrap, ",")...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(2 * time.Millisecond)}, opts...)
		c, err := kgo.NewClient(all...)
		if err != nil {
			return err
		}
		defer c.Close()
		r.promise(process, g)
		under := make(slots, window)
		for under.take(ctx, r.pace()) {
			op := r.begin(process, r.pick(), acks)
			c.Produce(context.Background(), &kgo.Record{Topic: r.Topic, Partition: op.Partition, Value: encode(op)}, func(k *kgo.Record, err error) {
				r.sent(op, k.Offset, err)
				<-under
			})
		}
		flush, cancel := context.WithTimeout(context.Background(), r.Drain)
		defer cancel()
		return c.Flush(flush)
	}
}

func rdProducer(process int, g linearizability.Guarantee, acks int16, set kafka.ConfigMap) Client {
	return func(ctx context.Context, bootstrap string, r *Recorder) error {
		all := kafka.ConfigMap{"bootstrap.servers": bootstrap, "linger.ms": 2, "reconnect.backoff.max.ms": 200, "retry.backoff.max.ms": 200, "log_level": 0}
		for k, v := range set {
			all[k] = v
		}
		if g == linearizability.ExactlyOnce {
			all["log_level"], all["debug"], all["go.logs.channel.enable"] = 7, "eos", true
		}
		p, err := kafka.NewProducer(&all)
		if err != nil {
			return err
		}
		defer p.Close()
		r.promise(process, g)
		if g == linearizability.ExactlyOnce {
			go r.watchEpoch(process, p.Logs())
		}
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
		name := r.Topic
		for under.take(ctx, r.pace()) {
			op := r.begin(process, r.pick(), acks)
			m := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &name, Partition: op.Partition}, Value: encode(op), Opaque: op}
			if err := p.Produce(m, nil); err != nil {
				return err
			}
		}
		if left := p.Flush(int(r.Drain.Milliseconds())); left > 0 {
			return fmt.Errorf("librdkafka, process %d: %d records are not done after %v", process, left, r.Drain)
		}
		return nil
	}
}

// watchEpoch reads what librdkafka says of an idempotent producer. Where a request is refused for a while and the next one of the same partition finds its sequence too high, it begins
// another epoch, in which it numbers all partitions anew: also a batch of another partition that was sent and never answered, which the broker may have. Then such a batch may be there
// twice, with any broker (rd_kafka_handle_idempotent_Produce_error, "skipped sequence numbers"), and the producer promises no more than at least once.
func (r *Recorder) watchEpoch(process int, logs <-chan kafka.LogEvent) {
	for l := range logs {
		if strings.Contains(l.Message, "skipped sequence numbers") && r.promised(process) == linearizability.ExactlyOnce {
			r.promise(process, linearizability.AtLeastOnce)
		}
	}
}

func franzConsumer(process int) Client {
	return func(ctx context.Context, bootstrap string, r *Recorder) error {
		c, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...), kgo.ConsumeTopics(r.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
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

func rdConsumer(process int) Client {
	return func(ctx context.Context, bootstrap string, r *Recorder) error {
		c, err := kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": false, "auto.offset.reset": "error",
			"reconnect.backoff.max.ms": 200, "log_level": 0})
		if err != nil {
			return err
		}
		defer c.Close()
		name := r.Topic
		var all []kafka.TopicPartition
		for i := range r.Partitions {
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
