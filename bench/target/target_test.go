package target

import (
	"context"
	"errors"
	"testing"
	"time"

	"odradek/bench/kafka"
)

func TestUnreachable(t *testing.T) {
	e := &External{Addresses: []string{"127.0.0.1:1"}}
	if _, err := e.Bootstrap(context.Background()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("nobody listens: %v", err)
	}
}

// The embedded node is built, started, asked, paused and ended.
func TestNode(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the node")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	dir := t.TempDir()
	binary, err := Build(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	n := NewNode(binary, dir, []string{"num.partitions=2"})
	defer n.Close()
	addresses, err := n.Bootstrap(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c, err := kafka.DialAny(addresses)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.CreateTopic("t", 3, 1, map[string]string{"flush.messages": "10000"}); err != nil {
		t.Fatal(err)
	}
	if leaders, err := c.Leaders("t", 3); err != nil || len(leaders) != 3 || leaders[2] != addresses[0] {
		t.Errorf("%v, %v", leaders, err)
	}
	if u, err := n.Usage(); err != nil || u.Fsyncs <= 0 || u.Reads <= 0 {
		t.Errorf("%+v, %v", u, err)
	}
	begun := time.Now()
	if err := n.Pause(50 * time.Millisecond); err != nil || time.Since(begun) < 50*time.Millisecond {
		t.Errorf("paused for %v: %v", time.Since(begun), err)
	}
	if err := c.DeleteTopic("t"); err != nil {
		t.Error(err)
	}
	first := n.Process()
	if err := n.Close(); err != nil || n.Process() != 0 {
		t.Errorf("it still runs: %v", err)
	}
	if _, err := n.Bootstrap(ctx); err != nil || n.Process() == first {
		t.Errorf("it is not started anew: %v", err)
	}
}

func TestBuildSaysWhatIsWrong(t *testing.T) {
	c := NewNode("/nonexistent/odradek", t.TempDir(), nil)
	if _, err := c.Bootstrap(context.Background()); err == nil {
		t.Error("a binary that is not there is started")
	}
}
