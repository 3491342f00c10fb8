// Clientrace measures the producer and the consumer of clientlib against those of franz-go: the same node, the same records, alternating rounds, medians.
//
//	go run ./cmd/clientrace [-rounds N] [-scale PERCENT] [-cpuprofile FILE] BINARY
//
// Ratios above 1 mean that ours is faster. Only ratios of one run are worth comparing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"

	"odradek/clientlib"
	"odradek/node/interop/brokers"
)

// cell is one setting.
type cell struct {
	batch, size int // bytes
	records     int
}

var cells = []cell{{16 << 10, 100, 1_000_000}, {16 << 10, 1000, 200_000}, {1 << 20, 100, 1_000_000}, {1 << 20, 1000, 200_000}}

// partitions that are written to in turn, and read together.
const partitions = 3

// outcome is one run.
type outcome struct {
	took   time.Duration
	allocs float64 // for each record
	bytes  float64
}

// side is one of the clients.
type side struct {
	name    string
	produce func(ctx context.Context, at, topic string, c cell) error
	consume func(ctx context.Context, at, topic string, c cell) error
}

var sides = []side{{"clientlib", ourProduce, ourConsume}, {"franz-go", franzProduce, franzConsume}}

func main() {
	rounds := flag.Int("rounds", 5, "of each cell and side")
	scale := flag.Int("scale", 100, "percent of the records")
	profile := flag.String("cpuprofile", "", "of clientlib's runs and franz-go's")
	only := flag.String("only", "", "a side by its name, for a profile")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: clientrace [-rounds N] [-scale PERCENT] BINARY")
		os.Exit(2)
	}
	if *only != "" {
		sides = slices.DeleteFunc(sides, func(s side) bool { return s.name != *only })
	}
	if *profile != "" {
		file, err := os.Create(*profile)
		if err == nil {
			err = pprof.StartCPUProfile(file)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "clientrace:", err)
			os.Exit(1)
		}
		defer pprof.StopCPUProfile()
	}
	if err := race(flag.Arg(0), *rounds, *scale); err != nil {
		fmt.Fprintln(os.Stderr, "clientrace:", err)
		os.Exit(1)
	}
}

func race(binary string, rounds, scale int) error {
	dir, err := os.MkdirTemp("", "clientrace")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	node, err := brokers.StartOdradek(binary, dir, nil)
	if err != nil {
		return err
	}
	defer node.End()
	client, err := clientlib.New(clientlib.Config{Bootstrap: node.Address, Timeout: 20 * time.Second})
	if err != nil {
		return err
	}
	defer client.Close()
	fmt.Printf("%d rounds, alternating; linger 5 ms, acks=all, idempotent, no compression, %d partitions; medians\n", rounds, partitions)
	fmt.Println("batch\trecord\twhat\tclient\trecords/s\tMB/s\tallocations/record\tbytes/record\tratio")
	for _, c := range cells {
		c.records = c.records * scale / 100 / partitions * partitions
		if err := measure(client.Admin(), node.Address, c, rounds); err != nil {
			return err
		}
	}
	return nil
}

// measure runs one cell: each side writes its own topic in each round, and reads what it wrote.
func measure(admin *clientlib.Admin, at string, c cell, rounds int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	produced, consumed := make([][]outcome, len(sides)), make([][]outcome, len(sides))
	for round := range rounds {
		for i := range sides {
			i = (i + round) % len(sides) // nobody is always the first
			topic := fmt.Sprintf("r-%d-%d-%d-%d", c.batch, c.size, round, i)
			if _, err := admin.CreateTopics(ctx, false, clientlib.NewTopic{Name: topic, Partitions: partitions}); err != nil {
				return err
			}
			for _, step := range []struct {
				do func(ctx context.Context, at, topic string, c cell) error
				to *[]outcome
			}{{sides[i].produce, &produced[i]}, {sides[i].consume, &consumed[i]}} {
				o, err := timed(c, func() error { return step.do(ctx, at, topic, c) })
				if err != nil {
					return fmt.Errorf("%s: %w", sides[i].name, err)
				}
				*step.to = append(*step.to, o)
			}
			if _, err := admin.DeleteTopics(ctx, topic); err != nil {
				return err
			}
		}
	}
	tell(c, "produce", produced)
	tell(c, "consume", consumed)
	return nil
}

func timed(c cell, do func() error) (outcome, error) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	err := do()
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	return outcome{took, float64(after.Mallocs-before.Mallocs) / float64(c.records), float64(after.TotalAlloc-before.TotalAlloc) / float64(c.records)}, err
}

func tell(c cell, what string, all [][]outcome) {
	medians := make([]outcome, len(all))
	for i, list := range all {
		slices.SortFunc(list, func(a, b outcome) int { return int(a.took - b.took) })
		medians[i] = list[len(list)/2]
	}
	for i, m := range medians {
		ratio := ""
		if len(medians) == 2 && i == 0 {
			ratio = fmt.Sprintf("%.2f", medians[1].took.Seconds()/m.took.Seconds())
		}
		per := float64(c.records) / m.took.Seconds()
		fmt.Printf("%d\t%d\t%s\t%s\t%.0f\t%.1f\t%.2f\t%.0f\t%s\n", c.batch, c.size, what, sides[i].name, per, per*float64(c.size)/1e6, m.allocs, m.bytes, ratio)
	}
}
