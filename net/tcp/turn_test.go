package tcp

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
)

// A request that names thousands waits for its turn; others are served meanwhile, and it is in the end.
func TestHeavyRequestsTakeTurns(t *testing.T) {
	heavy := new(Turn)
	b, _ := start(t, Config{Heavy: heavy}, 0)
	var seen atomic.Int32
	answer := b.answer
	b.answer = func(req *core.Request) {
		seen.Add(1)
		answer(req)
	}
	many := metadata().(*kmsg.MetadataRequest)
	for range 10_000 {
		topic := kmsg.NewMetadataRequestTopic()
		name := "a-topic"
		topic.Topic = &name
		many.Topics = append(many.Topics, topic)
	}
	held, release := make(chan struct{}), make(chan struct{})
	go heavy.Do(func() { close(held); <-release })
	<-held
	c, other := dial(t, b.server), dial(t, b.server)
	c.send(1, many)
	for i := range int32(20) {
		other.send(i, metadata())
		if _, _, err := other.receive(metadata()); err != nil {
			t.Fatal(err)
		}
	}
	if n := seen.Load(); n != 20 {
		t.Fatalf("%d requests were served while another held the turn, want 20", n)
	}
	close(release)
	if _, _, err := c.receive(many); err != nil {
		t.Error(err)
	}
}

// Short work gets a quarter of a processor, long work a hundredth, and nobody waits for ever.
func TestRests(t *testing.T) {
	for work, want := range map[time.Duration]time.Duration{100 * time.Microsecond: 300 * time.Microsecond, time.Millisecond: 20 * time.Millisecond,
		5 * time.Millisecond: 495 * time.Millisecond, time.Second: restMax} { // any order: each by itself
		if got := restAfter(work); got != want {
			t.Errorf("after work of %v rests %v, want %v", work, got, want)
		}
	}
	var turn Turn
	began := time.Now()
	for range 3 {
		turn.Do(func() { time.Sleep(time.Millisecond) })
	}
	if took := time.Since(began); took < 60*time.Millisecond {
		t.Errorf("three works of 1 ms took %v: nobody rested", took)
	}
	resting := make(chan struct{})
	go turn.Do(func() { time.Sleep(100 * time.Millisecond); close(resting) }) // and rests for ten seconds
	<-resting
	turn.Close()
	began = time.Now()
	turn.Do(func() {})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a rest went on for %v after the end", took)
	}
}
