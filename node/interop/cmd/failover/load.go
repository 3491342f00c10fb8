package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// load is an idempotent producer with acks=all that writes at a steady rate, to each partition in turn.
type load struct {
	client *kgo.Client
	end    context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	acked  [][]time.Time // of each partition, since forget
	sent   int64
	failed []error
}

func startLoad(bootstrap []string, partitions int32, rate int) (*load, error) {
	// Both keys are the client's pauses between questions for the new leader, 5 s and 250 ms unless set.
	c, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0),
		kgo.MetadataMinAge(50*time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }))
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	l := &load{client: c, end: end, done: make(chan struct{}), acked: make([][]time.Time, partitions)}
	go l.run(ctx, partitions, rate)
	return l, nil
}

func (l *load) run(ctx context.Context, partitions int32, rate int) {
	defer close(l.done)
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	value := make([]byte, 100)
	for p := int32(0); ; p = (p + 1) % partitions {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		l.mu.Lock()
		l.sent++
		l.mu.Unlock()
		l.client.Produce(context.Background(), &kgo.Record{Topic: topic, Partition: p, Value: value}, func(_ *kgo.Record, err error) { l.ended(p, err) })
	}
}

func (l *load) ended(p int32, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed = append(l.failed, err)
		return
	}
	l.acked[p] = append(l.acked[p], time.Now())
}

// forget forgets when records were acknowledged.
func (l *load) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.acked {
		l.acked[i] = nil
	}
}

// after returns when the first and the last of some partitions had an acknowledgement later than a time.
func (l *load) after(ctx context.Context, then time.Time, partitions []int32) (first, last time.Time, err error) {
	for {
		left := 0
		for _, p := range partitions {
			switch at := l.next(p, then); {
			case at.IsZero():
				left++
			default:
				if first.IsZero() || at.Before(first) {
					first = at
				}
				if at.After(last) {
					last = at
				}
			}
		}
		if left == 0 {
			return first, last, nil
		}
		select {
		case <-ctx.Done():
			return first, last, fmt.Errorf("%d of its %d partitions cannot be written to", left, len(partitions))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// next is the first acknowledgement of a partition later than a time.
func (l *load) next(p int32, then time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range l.acked[p] {
		if at.After(then) {
			return at
		}
	}
	return time.Time{}
}

// stop ends the load when all that was sent is acknowledged or refused.
func (l *load) stop() (sent int64, failed []error) {
	l.end()
	<-l.done
	ctx, cancel := context.WithTimeout(context.Background(), failTime)
	defer cancel()
	err := l.client.Flush(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed = append(l.failed, err)
	}
	go l.client.Close()
	return l.sent, l.failed
}
