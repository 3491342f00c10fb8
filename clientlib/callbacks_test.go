package clientlib

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"odradek/clientlib/proto"
)

// A callback may call the client: to send, to ask, to wait for what it sent, to close.
func TestCallbacksCallTheClient(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0")
	defer stopNode(t, n)
	c := newClient(t, address(n))
	createTopic(t, c, "t", 1)
	p, err := c.Producer(proto.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	over := make(chan error, 1)
	err = p.Send(ctx, &Record{Topic: "t", Partition: 0, Value: []byte("first")}, func(s Sent, err error) {
		second, err2 := p.SendWait(ctx, &Record{Topic: "t", Partition: 0, Value: []byte("second")})
		_, err3 := c.Admin().Topics(ctx)
		if second.Offset != s.Offset+1 {
			err = errors.Join(err, errors.New("the second record is not after the first"))
		}
		c.Close()
		over <- errors.Join(err, err2, err3)
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-over:
		if err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Fatal("the callback waits for itself")
	}
}

// While callbacks are slow, Send waits; Flush returns when the last one has returned. What is left when the client closes is told in order.
func TestCallbacksAreBounded(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0")
	defer stopNode(t, n)
	c := newClient(t, address(n))
	createTopic(t, c, "t", 1)
	p, err := c.Producer(proto.ProducerConfig{BatchSize: 1 << 18})
	if err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	var calls atomic.Int64
	done := func(Sent, error) {
		<-gate
		calls.Add(1)
	}
	short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	taken := int64(0)
	for ; err == nil; taken++ {
		err = p.Send(short, &Record{Topic: "t", Partition: 0, Value: []byte("v")}, done)
		if taken == callbacksMax-1 { // what is on its way now counts when it is delivered
			p.c.step(func(m *proto.Client, now int64) { p.machine.Flush(m, now) })
			for i := 0; i < 500; i++ {
				p.c.mu.Lock()
				full := p.calls.full()
				p.c.mu.Unlock()
				if full {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			cancel()
		}
	}
	if taken--; taken != callbacksMax || !errors.Is(err, context.Canceled) {
		t.Fatalf("%d records were taken: %v", taken, err)
	}
	close(gate)
	ctx, cancelFlush := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancelFlush()
	if err := p.Flush(ctx); err != nil || calls.Load() != taken {
		t.Errorf("%d of %d callbacks were called before Flush returned: %v", calls.Load(), taken, err)
	}
	order := make(chan int, 100)
	for i := range 100 { // no such topic: they wait for its partitions
		if err := p.Send(ctx, &Record{Topic: "none", Partition: NoPartition}, func(_ Sent, err error) {
			if !errors.Is(err, proto.ErrClosed) {
				t.Error(err)
			}
			order <- i
		}); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	for want := range 100 {
		if got := <-order; got != want {
			t.Fatalf("callback %d came where %d was due", got, want)
		}
	}
}
