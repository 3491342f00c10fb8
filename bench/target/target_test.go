package target

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

// A held node answers nobody until it is released; it can be ended while it is held.
func TestHold(t *testing.T) {
	dir := t.TempDir()
	binary, err := Build(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	n := NewNode(binary, dir, nil)
	defer n.Close()
	addresses, err := n.Bootstrap(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Hold(); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() { answered <- kafka.Ready(addresses, 1) }()
	select {
	case err := <-answered:
		t.Fatalf("a held node answers: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	if err := n.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("a released node does not answer: %v", err)
	}
	if err := n.Hold(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if _ = n.Close(); n.Process() != 0 || time.Since(begun) >= stopMax {
		t.Errorf("a held node ends after %v", time.Since(begun))
	}
}

// Three nodes find one another, and a topic of three replicas is served.
func TestSeveral(t *testing.T) {
	dir := t.TempDir()
	binary, err := Build(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	places, err := Places(3)
	if err != nil {
		t.Fatal(err)
	}
	s := new(Several)
	for _, p := range places {
		s.Brokers = append(s.Brokers, NewMember(binary, filepath.Join(dir, strconv.Itoa(p.ID)), nil, p, places))
	}
	defer s.Close()
	addresses, err := s.Bootstrap(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	c, err := kafka.DialAny(addresses)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.CreateTopic("three", 6, 3, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic("three", 6, 3, nil); !errors.Is(err, kafka.ErrExists) {
		t.Errorf("made again: %v", err)
	}
	leaders, err := c.Leaders("three", 6)
	if err != nil {
		t.Fatal(err)
	}
	led := map[string]bool{}
	for _, l := range leaders {
		led[l] = true
	}
	if len(led) != 3 {
		t.Errorf("leaders are %q", leaders)
	}
	u, err := s.Usage()
	if err != nil || u.CPU <= 0 || u.Fsyncs <= 0 {
		t.Errorf("all together used %+v: %v", u, err)
	}
}

// A directory without jars is refused with the command that fills it.
func TestClasspath(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := Classpath(dir); err == nil || !strings.Contains(err.Error(), "scripts/kafka-jars") {
		t.Errorf("an empty directory: %v", err)
	}
	for _, name := range []string{"jars-4.3.1", "classpath-4.3.1"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path, version, err := Classpath(dir)
	if err != nil || version != "4.3.1" || !strings.Contains(path, filepath.Join(dir, "jars-4.3.1", "*")) {
		t.Errorf("%q %q %v", path, version, err)
	}
}
