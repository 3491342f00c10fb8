package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	warmup = 300 * time.Millisecond
	// cellBytesMax ends a cell early, so that a fast one does not fill the page cache.
	cellBytesMax = 512 << 20
)

// cell is one measurement of producing.
type cell struct {
	name    string
	records int // in a batch, one batch a request
	conns   int
	depth   int // requests in flight on a connection
	parts   int
}

var cells = []cell{
	{"16 KB batches", 16, 4, 5, 4},
	{"1 MB batches", 1000, 4, 2, 4},
	{"unbatched, 64 connections", 1, 64, 1, 1},
	{"1 connection", 1, 1, 1, 1},
}

// result is what one run of a cell gave.
type result struct {
	requests int64
	bytes    int64 // of values
	elapsed  time.Duration
	took     []time.Duration // from send to acknowledgement, sorted
	used     usage
}

func createTopic(n *node, topic string, parts int) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(n.address))
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	resp, err := kadm.NewClient(c).CreateTopics(ctx, int32(parts), 1, nil, topic)
	if err == nil {
		err = resp[topic].Err
	}
	return err
}

// produce runs a cell: each connection keeps its depth of requests in flight, and sends the next when one is acknowledged.
func produce(n *node, c cell, topic string, length time.Duration) (*result, error) {
	if err := createTopic(n, topic, c.parts); err != nil {
		return nil, err
	}
	batch := makeBatch(c.records)
	clients := make([]*client, c.conns)
	for i := range clients {
		var err error
		if clients[i], err = dial(n.address); err != nil {
			return nil, err
		}
		defer clients[i].Close()
	}
	var bytes atomic.Int64
	var end atomic.Bool
	took := make([][]time.Duration, c.conns)
	errs := make([]error, c.conns)
	before := make(chan usage, 1)
	var measuring atomic.Int64 // when the warm-up ended
	var wg sync.WaitGroup
	begun := time.Now()
	for i, cl := range clients {
		frame := produceFrame(topic, int32(i%c.parts), batch)
		wg.Go(func() {
			errs[i] = window(cl, frame, topic, c.depth, &end, func(sent, acked time.Time) {
				if since := measuring.Load(); since > 0 && int64(sent.Sub(begun)) >= since {
					took[i] = append(took[i], acked.Sub(sent))
					if bytes.Add(int64(c.records*recordBytes)) >= cellBytesMax {
						end.Store(true)
					}
				}
			})
		})
	}
	time.Sleep(warmup)
	u, err := n.usage()
	before <- u
	measuring.Store(int64(time.Since(begun)))
	for time.Since(begun) < warmup+length && !end.Load() {
		time.Sleep(5 * time.Millisecond)
	}
	end.Store(true)
	wg.Wait()
	r := &result{bytes: bytes.Load(), elapsed: time.Since(begun) - time.Duration(measuring.Load())}
	after, err2 := n.usage()
	r.used = after.sub(<-before)
	for _, t := range took {
		r.took = append(r.took, t...)
	}
	slices.Sort(r.took)
	r.requests = int64(len(r.took))
	if r.requests == 0 {
		errs = append(errs, fmt.Errorf("%s: nothing was acknowledged", c.name))
	}
	return r, errors.Join(append(errs, err, err2)...)
}

// window keeps depth requests in flight until the end, and then takes in what is left.
func window(c *client, frame []byte, topic string, depth int, end *atomic.Bool, done func(sent, acked time.Time)) error {
	sent := make([]time.Time, depth)
	for i := range sent {
		sent[i] = time.Now()
		if _, err := c.Write(frame); err != nil {
			return err
		}
	}
	for i, left := 0, depth; left > 0; i = (i + 1) % depth {
		if err := c.produced(topic); err != nil {
			return err
		}
		now := time.Now()
		done(sent[i], now)
		if end.Load() {
			left--
			continue
		}
		sent[i] = now
		if _, err := c.Write(frame); err != nil {
			return err
		}
	}
	return nil
}

// fetch reads a topic from its start with a connection for each partition, again and again, and counts bytes of batches.
func fetch(n *node, topic string, parts int, length time.Duration) (*result, error) {
	before, err := n.usage()
	if err != nil {
		return nil, err
	}
	var bytes, requests atomic.Int64
	errs := make([]error, parts)
	var wg sync.WaitGroup
	begun := time.Now()
	for p := range parts {
		wg.Go(func() {
			c, err := dial(n.address)
			if err != nil {
				errs[p] = err
				return
			}
			defer c.Close()
			for offset := int64(0); time.Since(begun) < length; {
				got, next, err := c.fetch(topic, int32(p), offset, 1<<20)
				if err != nil {
					errs[p] = err
					return
				}
				bytes.Add(int64(got))
				requests.Add(1)
				if offset = next; got < 512<<10 { // near the end: waiting there is not reading
					offset = 0
				}
			}
		})
	}
	wg.Wait()
	r := &result{bytes: bytes.Load(), requests: requests.Load(), elapsed: time.Since(begun)}
	after, err := n.usage()
	r.used = after.sub(before)
	return r, errors.Join(append(errs, err)...)
}

// device times 4 KB appends with fdatasync, each by itself, in a file of its own.
func device(dir string, times int) ([]time.Duration, error) {
	f, err := os.CreateTemp(dir, "figures-device-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4096)
	var took []time.Duration
	for i := range times + times/10 {
		if _, err := f.Write(page); err != nil {
			return nil, err
		}
		begun := time.Now()
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return nil, err
		}
		if i >= times/10 { // the first tenth warms up
			took = append(took, time.Since(begun))
		}
	}
	slices.Sort(took)
	return took, nil
}

// pageCache writes a file of so many bytes twice, without syncing, and returns what the second time cost this process in CPU-seconds per GB. The first
// time makes sure that the host of a virtual machine has given the memory: where it must be given first, the kernel pays up to 2.5 s per GB for it, in
// whichever process comes along.
func pageCache(dir string, size int) (perGB float64, err error) {
	piece := make([]byte, 1<<20)
	for range 2 {
		f, err := os.CreateTemp(dir, "figures-pages-")
		if err != nil {
			return 0, err
		}
		var before, after syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
		for range size / len(piece) {
			if _, err = f.Write(piece); err != nil {
				break
			}
		}
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
		f.Close()
		os.Remove(f.Name())
		if err != nil {
			return 0, err
		}
		seconds := func(u *syscall.Rusage) float64 { return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds() }
		perGB = (seconds(&after) - seconds(&before)) / (float64(size) / 1e9)
	}
	return perGB, nil
}

// firstAck starts a node and returns the time from exec to its first acknowledged produce, with the topic made on the way if it is new.
func firstAck(n *node, binary, topic string, fresh bool) (time.Duration, error) {
	frame := produceFrame(topic, 0, makeBatch(1))
	begun := time.Now()
	if err := n.exec(binary); err != nil {
		return 0, err
	}
	for {
		c, err := dial(n.address)
		if err != nil {
			if time.Since(begun) > 10*time.Second {
				return 0, err
			}
			time.Sleep(500 * time.Microsecond)
			continue
		}
		defer c.Close()
		if fresh {
			if err := createTopic(n, topic, 1); err != nil {
				return 0, err
			}
		}
		if _, err := c.Write(frame); err != nil {
			return 0, err
		}
		err = c.produced(topic)
		return time.Since(begun), err
	}
}
