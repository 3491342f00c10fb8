// Command differ sends the same random sequence of requests to Apache Kafka and to a node of ours, and compares what they answer: see scripts/differ.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"odradek/node/interop/brokers"
)

// common is the configuration of both: what decides answers, and what would change something behind the sequence's back.
var common = map[string]string{
	"num.partitions":                  fmt.Sprint(defaultPartitions),
	"log.retention.check.interval.ms": "86400000",
	"socket.request.max.bytes":        "4194304",
}

// kafkaOnly keeps Kafka's own threads from doing something in between.
var kafkaOnly = map[string]string{"log.cleaner.enable": "false", "log.initial.task.delay.ms": "86400000", "broker.session.timeout.ms": "120000"}

func main() {
	seed := flag.Uint64("seed", 1, "of the sequence")
	requests := flag.Int("requests", 2000, "how many")
	texts := flag.Bool("texts", false, "list the error messages that differ")
	most := flag.Int("most", 8, "end after so many requests with unexplained differences")
	verbose := flag.Bool("v", false, "print each request")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: differ [-seed S] [-requests N] BINARY CLASSPATH-FILE")
		os.Exit(2)
	}
	ok, err := differ(flag.Arg(0), flag.Arg(1), *seed, *requests, *most, *texts, *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, "differ:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// differ runs one sequence. It reports whether every difference is explained.
func differ(binary, classpathFile string, seed uint64, requests, most int, texts, verbose bool) (bool, error) {
	classpath, err := os.ReadFile(classpathFile)
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "differ")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	kafka, ours, end, err := brokers.StartBoth(binary, string(bytes.TrimSpace(classpath)), dir, common, kafkaOnly)
	defer end()
	if err != nil {
		return false, err
	}
	r := &run{kafka: newSide("Kafka", kafka), ours: newSide("ours", ours), verbose: verbose,
		report: newReport(fmt.Sprintf("scripts/differ %s --seed %d", binary, seed))}
	defer r.kafka.link.close()
	defer r.ours.link.close()
	if r.gen, err = r.begin(seed); err != nil {
		return false, err
	}
	began := time.Now()
	for i := 0; i < requests && r.report.unexplained < most; i++ {
		if err := r.step(i); err != nil {
			r.report.print(os.Stdout, false)
			return false, err
		}
	}
	ok := r.report.print(os.Stdout, requests >= 2000)
	if texts {
		for _, pair := range slices.Sorted(maps.Keys(r.report.texts)) {
			fmt.Printf("%5d %s\n", r.report.texts[pair], pair)
		}
	}
	fmt.Printf("seed %d, %d requests in %ds\n", seed, r.report.requests, int(time.Since(began).Seconds()))
	return ok, nil
}

func newSide(name string, b *brokers.Broker) *side {
	return &side{name: name, link: link{address: b.Address, timeout: replyTimeout}, ids: newIDs()}
}

// begin prepares both sides, and returns the generator of their sequence.
func (r *run) begin(seed uint64) (*generator, error) {
	if err := r.kafka.prepare(true); err != nil {
		return nil, err
	}
	if err := r.ours.prepare(false); err != nil {
		return nil, err
	}
	kafka, err := r.kafka.served()
	if err != nil {
		return nil, err
	}
	ours, err := r.ours.served()
	if err != nil {
		return nil, err
	}
	both := map[int16]versions{}
	for k, a := range kafka { // any order: keys are independent
		if b, ok := ours[k]; ok && max(a.low, b.low) <= min(a.high, b.high) {
			both[k] = versions{max(a.low, b.low), min(a.high, b.high)}
		}
	}
	return newGenerator(seed, both, time.Now().UnixMilli()), nil
}
