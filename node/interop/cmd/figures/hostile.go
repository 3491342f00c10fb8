package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// siege is what a well-behaved client is measured under.
type siege struct {
	idle    int           // connections that say nothing
	enemies int           // hostile ones, of all kinds by turns
	only    string        // the one kind that comes; empty: all
	pause   time.Duration // between two acts of one
}

// politely is the pace of the well-behaved client: a record, acknowledged when durable, so many times a second.
const politely = 2 * time.Millisecond

// filesWanted is what the idle connections need, here and in the node, which inherits the limit.
const filesWanted = 65_536

// raiseFiles raises the limit of open files as far as it may.
func raiseFiles() (uint64, error) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, err
	}
	for _, want := range []syscall.Rlimit{{Cur: filesWanted, Max: max(r.Max, filesWanted)}, {Cur: r.Max, Max: r.Max}} {
		if r.Cur < filesWanted && syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want) == nil {
			return want.Cur, nil
		}
	}
	return r.Cur, nil
}

// hostile measures one client alone, and then under siege, by turns on the same node.
func (f *figures) hostile(s siege, rounds int) error {
	if files, err := raiseFiles(); err != nil || files < uint64(2*s.idle) {
		fmt.Fprintf(os.Stderr, "figures: %d files may be open, %v: for %d idle connections more are needed (ulimit -Hn, or run as root)\n", files, err, s.idle)
	}
	n, err := newNode(f.dir)
	if err == nil {
		err = n.start(f.binary)
	}
	if err == nil {
		err = createTopic(n, "good", 1)
	}
	if err == nil {
		err = createTopic(n, "bad", 1)
	}
	if err == nil {
		_, err = polite(n, f.length) // warms up
	}
	f.add("resident before any siege, MB", n.resident())
	for range rounds {
		if err != nil {
			break
		}
		err = f.round(n, s)
	}
	lines := strings.Count(n.log.String(), "\n")
	if err == nil {
		err = n.stop()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%.2000s\n", n.log.String())
	}
	f.add("lines in the node's log, all rounds", float64(lines))
	n.remove()
	return err
}

// round is one quiet phase and one siege.
func (f *figures) round(n *node, s siege) error {
	quiet, err := polite(n, f.length)
	if err != nil {
		return err
	}
	conns, err := idlers(n.address, s.idle)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	if err != nil {
		return err
	}
	f.add("resident with idle connections, MB", n.resident())
	var end atomic.Bool
	var acts atomic.Int64
	kinds := slices.DeleteFunc(enemies("bad"), func(e enemy) bool { return s.only != "" && e.name != s.only })
	errs := make([]error, s.enemies)
	var late atomic.Int64
	var wg sync.WaitGroup
	for i := range s.enemies {
		wg.Go(func() {
			errs[i] = kinds[i%len(kinds)].fight(n.address, s.pause, rand.New(rand.NewPCG(1, uint64(i))), &end, &acts, &late)
		})
	}
	time.Sleep(warmup)
	before, _ := n.cpu()
	acts.Store(0)
	began := time.Now()
	siege, err := polite(n, f.length)
	took := time.Since(began).Seconds()
	f.add("hostile acts/s", float64(acts.Load())/took)
	f.add("hostile acts neither answered nor closed in 5 s", float64(late.Load()))
	after, _ := n.cpu()
	f.add("node's CPUs under siege", (after-before).Seconds()/took)
	f.add("resident under siege, MB", n.resident())
	end.Store(true)
	wg.Wait()
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		f.add("alone, "+q.name+" µs", micros(quantile(quiet, q.at)))
		f.add("under siege, "+q.name+" µs", micros(quantile(siege, q.at)))
		f.add("under siege against alone, "+q.name, micros(quantile(siege, q.at))/micros(quantile(quiet, q.at)))
	}
	return errors.Join(append(errs, err)...)
}

// idlers opens connections that say nothing.
func idlers(address string, count int) (conns []net.Conn, err error) {
	for range count {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return conns, fmt.Errorf("idle connection %d: %w", len(conns), err)
		}
		conns = append(conns, c)
	}
	return conns, nil
}

// polite produces at an even pace over one connection and returns the times to acknowledgement, sorted. A record that is late does not delay the times of
// those after it: they count from when they were due.
func polite(n *node, length time.Duration) ([]time.Duration, error) {
	c, err := dial(n.address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	frame := produceFrame("good", 0, makeBatch(1))
	var took []time.Duration
	began := time.Now()
	for due := began; due.Sub(began) < length; due = due.Add(politely) {
		time.Sleep(time.Until(due))
		if _, err := c.Write(frame); err != nil {
			return nil, err
		}
		if err := c.produced("good"); err != nil {
			return nil, err
		}
		took = append(took, time.Since(due))
	}
	slices.Sort(took)
	return took, nil
}
