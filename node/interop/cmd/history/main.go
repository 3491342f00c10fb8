//go:build cgo

// Command history has clients of several makes work on a node that is killed and stopped all the while, writes down what each did and was told, and reads
// everything at the end: a file for `odradek check`.
//
//	go run ./cmd/history [-operations N] [-out FILE] BINARY
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"odradek/node/interop/brokers"
	"odradek/node/interop/histories"
)

const (
	topic      = "history"
	partitions = 12
)

func main() {
	operations := flag.Int("operations", 100_000, "go on until so many produces have ended")
	out := flag.String("out", "history.jsonl", "the file that is written")
	most := flag.Duration("most", 10*time.Minute, "give up after that")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: history [-operations N] [-out FILE] [-most D] BINARY")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *most)
	defer cancel()
	if err := run(ctx, flag.Arg(0), *operations, *out); err != nil {
		fmt.Fprintln(os.Stderr, "history:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary string, operations int, out string) error {
	dir, err := os.MkdirTemp("", "history-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	node, err := brokers.StartOdradek(binary, dir, nil)
	if err != nil {
		return err
	}
	defer node.End()
	if err := createTopic(ctx, node.Address); err != nil {
		return err
	}
	r := &histories.Recorder{Topic: topic, Partitions: partitions, Start: time.Now(), Drain: 30 * time.Second}
	work, endWork := context.WithCancel(ctx)
	defer endWork()
	var senders, readers sync.WaitGroup
	errs := make(chan error, 16) // one for each client, and one for the hand
	for _, start := range histories.Producers(1) {
		senders.Go(func() { errs <- start(work, node.Address, r) })
	}
	reading, endReading := context.WithCancel(ctx)
	defer endReading()
	for _, start := range histories.Consumers() {
		readers.Go(func() { errs <- start(reading, node.Address, r) })
	}
	hits, err := disturb(work, node, func() bool { ended, _, _ := r.Counts(); return ended >= operations })
	endWork()
	senders.Wait()
	endReading()
	readers.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	if err == nil {
		err = r.ReadAll(ctx, node.Address)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, node.Tail())
	}
	ended, _, reads := r.Counts()
	fmt.Printf("%d produces and %d reads in %v, with %d kills and %d stops\n", ended, reads, time.Since(r.Start).Round(time.Second), hits.kills, hits.stops)
	if w := r.Withdrawn(); len(w) > 0 {
		fmt.Printf("idempotent producers that began another epoch by themselves, and promise at least once: processes %v\n", w)
	}
	return r.Write(out)
}

func createTopic(ctx context.Context, address string) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		return err
	}
	defer c.Close()
	made, err := kadm.NewClient(c).CreateTopic(ctx, partitions, 1, nil, topic)
	return errors.Join(err, made.Err)
}

type hits struct{ kills, stops int }

// disturb kills the node's process, or holds it up, every now and then, until all is done.
func disturb(ctx context.Context, node *brokers.Broker, done func() bool) (hits, error) {
	var h hits
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for !done() {
		if ctx.Err() != nil {
			return h, fmt.Errorf("the operations did not get done: %w", context.Cause(ctx))
		}
		time.Sleep(time.Duration(200+rng.IntN(1000)) * time.Millisecond)
		pause := time.Duration(50+rng.IntN(700)) * time.Millisecond
		if rng.IntN(2) == 0 {
			h.stops++
			if err := node.Pause(pause); err != nil {
				return h, err
			}
			continue
		}
		h.kills++
		if err := node.Restart(pause); err != nil {
			return h, err
		}
	}
	return h, nil
}
