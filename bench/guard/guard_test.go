// Package guard holds what a request may cost: allocations and system calls of a node in a process of its own, counted and never timed. What a change adds to every
// request shows here before it shows in a race.
package guard

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"odradek/bench/cell"
	"odradek/bench/kafka"
	"odradek/bench/load"
	"odradek/bench/measure"
	"odradek/bench/target"
)

// cost is what requests cost on average.
type cost struct {
	allocations float64
	calls       float64 // read and write, those of the disk and those with which answers leave included
	fsyncs      float64
}

func (c cost) String() string {
	return fmt.Sprintf("%.2f allocations, %.2f read and write calls, %.3f fsyncs a request", c.allocations, c.calls, c.fsyncs)
}

// The loads, with the most that a request may cost: what was measured and some more, since rounds of the commit and wake-ups differ from run to run.
var bounds = []struct {
	name    string
	change  func(*cell.Cell)
	relaxed bool
	most    cost
}{
	{"one at a time, durable", func(c *cell.Cell) { c.Producers, c.InFlight, c.Partitions = 1, 1, 1 }, false, cost{10, 3.4, 1.05}},
	{"one at a time, relaxed", func(c *cell.Cell) { c.Producers, c.InFlight, c.Partitions = 1, 1, 1 }, true, cost{5.0, 3.8, 0.01}},
	{"64 connections, durable", func(c *cell.Cell) { c.Producers, c.InFlight, c.Partitions = 64, 1, 1 }, false, cost{4.4, 2.4, 0.15}},
	{"64 connections, relaxed", func(c *cell.Cell) { c.Producers, c.InFlight, c.Partitions = 64, 1, 1 }, true, cost{4.2, 2.4, 0.01}},
	{"16K batches, relaxed", func(c *cell.Cell) { c.Batch = 16 << 10 }, true, cost{5.0, 3.5, 0.01}},
}

// requests is how many are sent to learn what one costs, after as many that are not counted.
const requests = 4000

func TestCostOfARequest(t *testing.T) {
	dir := t.TempDir()
	binary, err := target.Build(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bounds {
		t.Run(b.name, func(t *testing.T) {
			set := []string{}
			if b.relaxed {
				set = append(set, "log.flush.interval.messages=10000000")
			}
			n := target.NewNode(binary, t.TempDir(), set)
			defer n.Close()
			got, err := measured(n, b.change)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(got)
			if got.allocations > b.most.allocations || got.calls > b.most.calls || got.fsyncs > b.most.fsyncs {
				t.Errorf("a request costs %v; at most %v", got, b.most)
			}
		})
	}
}

// measured sends requests twice as often as they are counted, the first half to make the node reach its steady state.
func measured(n *target.Node, change func(*cell.Cell)) (cost, error) {
	addresses, err := n.Bootstrap(context.Background())
	if err != nil {
		return cost{}, err
	}
	c := cell.Default()
	c.Batch, c.Record = 0, 1000
	change(&c)
	leaders, err := topic(addresses, c.Partitions)
	if err != nil {
		return cost{}, err
	}
	if _, err := send(c, leaders); err != nil {
		return cost{}, err
	}
	before, allocated, err := used(n)
	if err != nil {
		return cost{}, err
	}
	count, err := send(c, leaders)
	if err != nil {
		return cost{}, err
	}
	after, then, err := used(n)
	if err != nil {
		return cost{}, err
	}
	u, each := after.Sub(before), float64(count)
	return cost{float64(then-allocated) / each, float64(u.Reads+u.Writes) / each, float64(u.Fsyncs) / each}, nil
}

func used(n *target.Node) (measure.Usage, int64, error) {
	u, err := n.Usage()
	if err != nil {
		return u, 0, err
	}
	allocated, err := n.Allocations()
	return u, allocated, err
}

// send sends about so many requests and returns how many were acknowledged.
func send(c cell.Cell, leaders []string) (int64, error) {
	bytes := int64(requests) * int64(max(c.Batch, c.Record))
	l, err := load.New(load.Config{Cell: c, Topic: topicName, Leaders: leaders, Length: time.Minute, ValuesMax: bytes, Workers: 1, Seed: 1})
	if err != nil {
		return 0, err
	}
	r, err := l.Run(measure.Now() + int64(time.Millisecond))
	if err == nil && r.AllBatches < requests/2 {
		err = errors.New("too little was sent")
	}
	return r.AllBatches, err
}

const topicName = "guard"

// topic makes one that has a config of its own: what a request costs must not depend on that.
func topic(addresses []string, partitions int) ([]string, error) {
	conn, err := kafka.DialAny(addresses)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.CreateTopic(topicName, partitions, 1, map[string]string{"retention.ms": "86400000"}); err != nil {
		return nil, err
	}
	return conn.Leaders(topicName, partitions)
}

// The most that a fetch of 1 MB in batches of 16 KB may cost: the socket takes twice socket.send.buffer.bytes at a time.
var fetchMost = cost{36, 22, 0.01}

const fetches = 400

// A catch-up fetch is sent by the kernel: nothing of it passes through the node's memory.
func TestCostOfAFetch(t *testing.T) {
	dir := t.TempDir()
	binary, err := target.Build(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	n := target.NewNode(binary, dir, []string{"log.flush.interval.messages=10000000"})
	defer n.Close()
	if _, err := measured(n, func(c *cell.Cell) { c.Batch, c.Partitions = 16<<10, 1 }); err != nil {
		t.Fatal(err)
	}
	conn, err := kafka.Dial(n.Address(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fetch := func() (bytes int64) {
		for range fetches {
			resp, err := conn.Fetch(topicName, map[int32]int64{0: 0}, time.Second, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			bytes += int64(len(resp.Topics[0].Partitions[0].RecordBatches))
		}
		return bytes
	}
	fetch()
	before, allocated, err := used(n)
	if err != nil {
		t.Fatal(err)
	}
	bytes := fetch()
	after, then, err := used(n)
	if err != nil {
		t.Fatal(err)
	}
	u := after.Sub(before)
	got := cost{float64(then-allocated) / fetches, float64(u.Reads+u.Writes) / fetches, float64(u.Fsyncs) / fetches}
	t.Log(got)
	if got.allocations > fetchMost.allocations || got.calls > fetchMost.calls || got.fsyncs > fetchMost.fsyncs {
		t.Errorf("a fetch costs %v; at most %v", got, fetchMost)
	}
	e, err := n.Extents()
	if err != nil {
		t.Fatal(err)
	}
	if e.Large != 0 || e.Kernel != 2*bytes || bytes < fetches*900_000 {
		t.Errorf("%d bytes were read twice, and the node says %+v", bytes, e)
	}
}
