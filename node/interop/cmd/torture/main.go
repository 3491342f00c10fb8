//go:build cgo

// Command torture has clients of three makes work on a cluster of three nodes in network namespaces, which are killed, held up, cut off and filled up all the
// while, and has what they saw judged: see scripts/torture.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"odradek/node/interop/brokers"
	"odradek/node/interop/histories"
)

const partitions = 6

func main() {
	if len(os.Args) > 2 && os.Args[1] == "relay" {
		if err := runRelay(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "relay:", err)
			os.Exit(1)
		}
		return
	}
	lasts := flag.Duration("for", time.Minute, "how long faults are made")
	round := flag.Duration("round", 90*time.Second, "how long one history is")
	tag := flag.String("tag", "odt", "begins the names of namespaces, links and mounts")
	subnet := flag.String("subnet", "10.77.77", "the first three numbers of the nodes' addresses")
	dir := flag.String("dir", "", "where data and histories go")
	flag.Parse()
	if flag.NArg() != 1 || *dir == "" {
		fmt.Fprintln(os.Stderr, "usage: torture -dir DIR [-for D] [-round D] [-tag NAME] [-subnet A.B.C] BINARY")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, flag.Arg(0), *dir, *tag, *subnet, *lasts, *round); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

// torture is a cluster, what is done to it, and what was counted.
type torture struct {
	binary, dir string
	net         *network
	cluster     *brokers.Cluster
	client      *kgo.Client // looks
	drawn       int
	done        map[string]int // faults
	fell        int            // nodes that a full disk ended

	rounds, produces, acked, reads int
	withdrawn                      int // idempotent producers that began another epoch by themselves, one a round
}

func run(ctx context.Context, binary, dir, tag, subnet string, lasts, round time.Duration) (err error) {
	t := &torture{binary: binary, dir: dir, done: map[string]int{}}
	t.net, err = newNetwork(tag, subnet, dir)
	defer t.net.end()
	if err != nil {
		return err
	}
	t.cluster, err = brokers.StartCluster(binary, dir, t.net.places, map[string]string{"min.insync.replicas": "2", "default.replication.factor": "3"})
	defer t.cluster.End()
	if err != nil {
		return err
	}
	if t.client, err = kgo.NewClient(kgo.SeedBrokers(t.cluster.Bootstrap()...), kgo.MetadataMinAge(10*time.Millisecond)); err != nil {
		return err
	}
	defer t.client.Close()
	for until := time.Now().Add(lasts); time.Now().Before(until) && ctx.Err() == nil; {
		if err := t.round(ctx, min(round, time.Until(until))); err != nil {
			return fmt.Errorf("%w\n%s", err, t.said())
		}
	}
	t.print()
	return context.Cause(ctx)
}

func (t *torture) said() string {
	out := ""
	for _, m := range t.cluster.Nodes {
		out += m.Name + ":\n" + m.Tail() + "\n"
	}
	return out
}

// round has all clients work on a new topic while faults are made, lets the cluster heal, reads everything and has it judged.
func (t *torture) round(ctx context.Context, lasts time.Duration) error {
	t.rounds++
	r := &histories.Recorder{Topic: fmt.Sprintf("torture-%d", t.rounds), Partitions: partitions, Start: time.Now(), Pace: 5 * time.Millisecond, Drain: healTime}
	if err := t.create(ctx, r.Topic); err != nil {
		return err
	}
	bootstrap := strings.Join(t.cluster.Bootstrap(), ",")
	ourProducer, ourConsumer := histories.Ours()
	work, endWork := context.WithCancel(ctx)
	defer endWork()
	reading, endReading := context.WithCancel(ctx)
	defer endReading()
	var senders, readers sync.WaitGroup
	errs := make(chan error, 16) // one for each client
	for _, start := range append(histories.Producers(-1), ourProducer) {
		senders.Go(func() { errs <- start(work, bootstrap, r) })
	}
	for _, start := range append(histories.Consumers(), ourConsumer) {
		readers.Go(func() { errs <- start(reading, bootstrap, r) })
	}
	faulty, endFaults := context.WithTimeout(ctx, lasts)
	err := t.disturb(faulty, r.Topic)
	endFaults()
	endWork()
	senders.Wait()
	endReading()
	readers.Wait()
	close(errs)
	var told error // what clients were told is a finding; the judges say more
	for e := range errs {
		told = errors.Join(told, e)
	}
	if err == nil {
		err = r.ReadAll(ctx, bootstrap)
	}
	if err != nil {
		return errors.Join(told, err, r.Write(filepath.Join(t.dir, r.Topic+".jsonl")))
	}
	return errors.Join(told, t.judge(r))
}

func (t *torture) create(ctx context.Context, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, healTime)
	defer cancel()
	for {
		made, err := kadm.NewClient(t.client).CreateTopic(ctx, partitions, 3, nil, topic)
		if err = errors.Join(err, made.Err); err == nil {
			break
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s cannot be made: %w", topic, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	_, err := t.cluster.AwaitInSync(ctx, t.client, topic)
	return err
}

// judge writes the history down, compares it, and has odradek check judge it. A good one is removed.
func (t *torture) judge(r *histories.Recorder) error {
	path := filepath.Join(t.dir, r.Topic+".jsonl")
	if err := r.Write(path); err != nil {
		return err
	}
	produces, acked, reads := r.Counts()
	t.produces, t.acked, t.reads = t.produces+produces, t.acked+acked, t.reads+reads
	err := r.Compare()
	out, checked := exec.Command(t.binary, "check", "--html", filepath.Join(t.dir, r.Topic), path).CombinedOutput()
	fmt.Printf("round %d: %d produces, %d acknowledged, %d reads; %s", t.rounds, produces, acked, reads, out)
	if w := r.Withdrawn(); len(w) > 0 {
		t.withdrawn += len(w)
		fmt.Printf("round %d: idempotent producers that began another epoch by themselves, and promise at least once: processes %v\n", t.rounds, w)
	}
	if checked != nil {
		err = errors.Join(err, fmt.Errorf("odradek check: %w", checked))
	}
	if err != nil {
		return err
	}
	return os.Remove(path)
}

func (t *torture) print() {
	sum := 0
	fmt.Println()
	for _, name := range slices.Sorted(maps.Keys(t.done)) {
		fmt.Printf("%-40s %4d\n", name, t.done[name])
		sum += t.done[name]
	}
	fmt.Printf("%d rounds, %d faults; %d produces, %d acknowledged, %d reads; nodes that a full disk ended: %d; producers that began another epoch by themselves: %d; nothing acknowledged is lost or, as promised, doubled\n",
		t.rounds, sum, t.produces, t.acked, t.reads, t.fell, t.withdrawn)
}
