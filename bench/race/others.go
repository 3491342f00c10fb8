package race

import (
	"context"
	"time"

	"odradek/bench/cell"
)

// others are shapes in which claims of other systems broke, and other people's tools and clients.
func others() []*Cell {
	keyed := &Cell{Name: "shape/50-keyed", About: "50 producers that gather records with keys into batches of 16K, linger 5 ms, 16 partitions, 50 000 records/s of 1 KB", Nodes: 1, Entrants: four, Rounds: 3, Length: latencyLength, Around: 3500 * time.Millisecond,
		Load: kilobyte(func(c *cell.Cell) {
			c.Mode, c.Keys, c.Producers, c.Partitions, c.Linger, c.Rate = cell.Client, true, 50, 16, 5*time.Millisecond, 50_000
		})}
	for _, m := range []string{"ack_p50", "ack_p99", "ack_p999"} {
		keyed.Questions = append(keyed.Questions, told(m, "ms", true, bothFlushed, bothRelaxed)...)
	}
	keyed.Questions = append(keyed.Questions, told("cpu_per_gb", "s/GB", true, bothFlushed, bothRelaxed)...)
	out := []*Cell{keyed,
		shape("shape/retention", "50 000 records/s of 1 KB to a topic that is full: segments are deleted all the while", retention, "ack_p50", "ack_p99", "ack_p999"),
		shape("shape/drain", "20 000 records/s of 1 KB while 4 readers take in a backlog", drain, "ack_p50", "ack_p99", "ack_p999")}
	out[2].Questions = append(out[2].Questions, told("drained", "MB/s", false, bothFlushed, bothRelaxed)...)
	for _, t := range []struct {
		name, about string
		do          func(context.Context, *Arena, *Cell, Entrant) (Values, error)
		entrants    []Entrant
		pairs       []pair
	}{
		{"tool/producer-perf", "kafka-producer-perf-test: records of 1 KB, acks=all, 16K batches, linger 5 ms, idempotent", producerPerf, four, []pair{bothFlushed, bothRelaxed}},
		{"tool/consumer-perf", "kafka-consumer-perf-test, the join of the group left out", consumerPerf, relaxedTwo, []pair{bothRelaxed}},
		{"tool/rdkafka-produce", "rdkafka_performance -P: records of 1 KB, acks=all, 16K batches, linger 5 ms, idempotent", rdkafkaProduce, four, []pair{bothFlushed, bothRelaxed}},
		{"tool/rdkafka-consume", "rdkafka_performance -C of one partition", rdkafkaConsume, relaxedTwo, []pair{bothRelaxed}},
	} {
		c := &Cell{Name: t.name, About: t.about, Nodes: 1, Entrants: t.entrants, Rounds: 3, Around: 10 * time.Second, Do: t.do}
		c.Questions = append(told("records_rate", "records/s", false, t.pairs...), told("cpu_per_gb", "s/GB", true, t.pairs...)...)
		out = append(out, c)
	}
	return out
}

// shape is a cell that asks for latencies.
func shape(name, about string, do func(context.Context, *Arena, *Cell, Entrant) (Values, error), metrics ...string) *Cell {
	c := &Cell{Name: name, About: about, Nodes: 1, Entrants: four, Do: do, Rounds: 3, Length: shapeLength, Around: 5 * time.Second}
	for _, m := range metrics {
		c.Questions = append(c.Questions, told(m, "ms", true, bothFlushed, bothRelaxed)...)
	}
	return c
}
