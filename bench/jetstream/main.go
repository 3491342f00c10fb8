// Command jetstream races a node of this tree against NATS JetStream where the work is the same: messages published one by one and acknowledged from the disk, the same without
// waiting for it, and reading from the start. NATS' server is a library: it runs here in a process of its own, on the same disk.
//
//	go build -o /tmp/odradek . && cd bench/jetstream && go run . -binary /tmp/odradek -dir /var/tmp -out /var/tmp/race/jetstream.md
//
// A run of ours and one of JetStream's follow one another, A B, B A … . Printed are the medians and the ratios of the rounds with bootstrap intervals; with -out they
// are written, too, as the section that `bench page --jetstream` takes. It takes under five minutes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"odradek/bench/measure"
)

// options say how much is run.
type options struct {
	binary string
	dir    string
	rounds int
	length time.Duration
	bytes  int64 // that are read from the start
	out    string
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == serveWord {
		exit(serve(os.Args[2], os.Args[3] == "always"))
	}
	var o options
	flag.StringVar(&o.binary, "binary", os.Getenv("ODRADEK"), "odradek to measure; $ODRADEK")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "directory on the disk to measure")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each side is measured")
	flag.DurationVar(&o.length, "length", 3*time.Second, "measured part of each run, after a second of warm-up")
	flag.Int64Var(&o.bytes, "bytes", 500_000_000, "bytes of messages that are read from the start")
	flag.StringVar(&o.out, "out", "", "file for the table, besides standard output")
	flag.Parse()
	if o.binary == "" {
		fmt.Fprintln(os.Stderr, "jetstream: -binary is missing: build one with go build -o odradek .")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	t := section{options: o}
	err := run(ctx, &o, &t)
	if err == nil {
		fmt.Print(t.String())
	}
	if err == nil && o.out != "" {
		err = os.WriteFile(o.out, []byte(t.String()), 0o644)
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "jetstream:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// side measures a cell on one broker and returns messages a second and the broker's CPU for each.
type side func(ctx context.Context, o *options, dir string) (rate, cpu float64, err error)

// cells are what both do.
func cells(binary string) []struct {
	name         string
	ours, theirs side
} {
	return []struct {
		name         string
		ours, theirs side
	}{
		{"64 publishers, one message of 1 KB each under way, synced before it is acknowledged", ours(binary, true, publish), theirs(true, publishJetStream)},
		{"the same, not synced (JetStream's default, relaxed)", ours(binary, false, publish), theirs(false, publishJetStream)},
		{"one publisher, messages of 128 B, 500 under way (here: batches of 16K, 5 under way)", ours(binary, false, stream), theirs(false, streamJetStream)},
		{"reading messages of 1 KB from the start, one consumer", ours(binary, false, replay), theirs(false, replayJetStream)},
	}
}

func run(ctx context.Context, o *options, t *section) error {
	scratch, err := os.MkdirTemp(o.dir, "jetstream-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := measure.TouchPages(scratch, 1<<30); err != nil {
		return err
	}
	for _, c := range cells(o.binary) {
		var rates, costs [2][]float64
		for round := range o.rounds {
			for i := range 2 {
				which := (i + round) % 2
				dir := filepath.Join(scratch, fmt.Sprintf("run-%d-%d", round, which))
				rate, cpu, err := []side{c.ours, c.theirs}[which](ctx, o, dir)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", c.name, []string{"odradek", "JetStream"}[which], err)
				}
				rates[which], costs[which] = append(rates[which], rate), append(costs[which], cpu*1e6)
				if err := os.RemoveAll(dir); err != nil {
					return err
				}
			}
		}
		t.row(c.name, "messages/s", rates[0], rates[1], false)
		t.row(c.name, "broker CPU [µs a message]", costs[0], costs[1], true)
		fmt.Fprintln(os.Stderr, "done:", c.name)
	}
	return nil
}
