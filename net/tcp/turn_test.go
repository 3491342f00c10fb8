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

// Whoever works rests three times as long, so that work of its kind gets a quarter of a processor whoever asks.
func TestTurnsRest(t *testing.T) {
	var turn Turn
	began := time.Now()
	for range 3 {
		turn.Do(func() { time.Sleep(5 * time.Millisecond) })
	}
	if took := time.Since(began); took < 60*time.Millisecond {
		t.Errorf("three works of 5 ms took %v: nobody rested", took)
	}
}
