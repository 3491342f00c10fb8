//go:build cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"odradek/node/interop/brokers"
)

// healTime bounds how long a cluster may take until all replicas are in sync again.
const healTime = 2 * time.Minute

// fault is one kind: it is done to a node, lasts, and is undone before it returns. The cluster must outlive each.
type fault struct {
	name string
	do   func(t *torture, m *brokers.Member, lasts time.Duration) error
}

var faults = []fault{
	{"kill -9", func(t *torture, m *brokers.Member, lasts time.Duration) error { return m.Restart(lasts) }},
	{"SIGSTOP", func(t *torture, m *brokers.Member, lasts time.Duration) error { return m.Pause(lasts) }},
	{"clean restart", func(t *torture, m *brokers.Member, lasts time.Duration) error {
		if err := m.Stop(30 * time.Second); err != nil {
			return err
		}
		time.Sleep(lasts)
		return m.Again()
	}},
	{"all killed at once", (*torture).killAll},
	{"link down", func(t *torture, m *brokers.Member, lasts time.Duration) error {
		return t.between(lasts, func() error { return t.net.unplug(m.ID) }, func() error { return t.net.plug(m.ID) })
	}},
	{"cut: what it sends", func(t *torture, m *brokers.Member, lasts time.Duration) error {
		return t.cut(m, lasts, others(m, true), true)
	}},
	{"cut: what it is sent", func(t *torture, m *brokers.Member, lasts time.Duration) error {
		return t.cut(m, lasts, others(m, true), false)
	}},
	{"cut: what it sends one node", func(t *torture, m *brokers.Member, lasts time.Duration) error {
		return t.cut(m, lasts, others(m, false)[rand.IntN(nodes-1):][:1], true)
	}},
	{"cut: off from nodes, not from clients", func(t *torture, m *brokers.Member, lasts time.Duration) error {
		if !t.net.spaces {
			return nil // the relay knows no senders
		}
		return t.cut(m, lasts, others(m, false), true)
	}},
	{"delay", func(t *torture, m *brokers.Member, lasts time.Duration) error {
		d := time.Duration(1+rand.IntN(200)) * time.Millisecond
		return t.between(lasts, func() error { return t.net.delay(m.ID, d) }, func() error { return t.net.delay(m.ID, 0) })
	}},
	{"disk full", (*torture).fullDisk},
}

// others are all hosts but one node.
func others(m *brokers.Member, clients bool) (out []int) {
	for i := 1; i <= nodes; i++ {
		if i != m.ID {
			out = append(out, i)
		}
	}
	if clients {
		out = append(out, outside)
	}
	return out
}

func (t *torture) between(lasts time.Duration, begin, end func() error) error {
	err := begin()
	time.Sleep(lasts)
	return errors.Join(err, end())
}

func (t *torture) cut(m *brokers.Member, lasts time.Duration, others []int, sends bool) error {
	return t.between(lasts, func() error { return t.net.routes("add", m.ID, others, sends) }, func() error { return t.net.routes("del", m.ID, others, sends) })
}

func (t *torture) killAll(_ *brokers.Member, lasts time.Duration) error {
	for _, m := range t.cluster.Nodes { // all are dead before the first is waited for
		_ = m.Signal(syscall.SIGKILL)
	}
	t.cluster.End()
	time.Sleep(lasts / 4)
	errs := make(chan error, nodes)
	for _, m := range t.cluster.Nodes {
		go func() { errs <- m.Again() }()
	}
	var err error
	for range nodes {
		err = errors.Join(err, <-errs)
	}
	return err
}

// fullDisk fills the last node's disk, whichever was drawn. A node whose log directory has failed is started again when there is room.
func (t *torture) fullDisk(_ *brokers.Member, lasts time.Duration) error {
	if t.net.disk == "" {
		return nil
	}
	m := t.cluster.Nodes[nodes-1]
	err := t.between(lasts, t.net.fill, t.net.empty)
	if m.Ended() {
		t.fell++
	}
	return errors.Join(err, m.Restart(0))
}

// disturb does one fault after the other until ctx ends; between them the cluster heals.
func (t *torture) disturb(ctx context.Context, topic string) error {
	for ctx.Err() == nil {
		f := faults[t.drawn%len(faults)]
		if t.drawn >= len(faults) { // each once, then any
			f = faults[rand.IntN(len(faults))]
		}
		t.drawn++
		m := t.cluster.Nodes[rand.IntN(nodes)]
		lasts := time.Duration(100+rand.IntN(3900)) * time.Millisecond
		begun := time.Now()
		if err := f.do(t, m, lasts); err != nil {
			return fmt.Errorf("%s, node %d: %w", f.name, m.ID, err)
		}
		t.done[f.name]++
		if err := t.heal(topic); err != nil {
			return fmt.Errorf("after %s of node %d for %v: %w", f.name, m.ID, lasts, err)
		}
		fmt.Printf("  %-40s node %d %5d ms, whole again after %d ms\n", f.name, m.ID, lasts.Milliseconds(), (time.Since(begun) - lasts).Milliseconds())
		time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond)
	}
	return nil
}

// heal waits until all nodes are there and all replicas in sync.
func (t *torture) heal(topic string) error {
	ctx, cancel := context.WithTimeout(context.Background(), healTime)
	defer cancel()
	for _, m := range t.cluster.Nodes {
		if m.Ended() {
			return fmt.Errorf("node %d has ended by itself", m.ID)
		}
	}
	_, err := t.cluster.AwaitInSync(ctx, t.client, topic)
	return err
}
