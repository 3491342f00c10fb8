package race

import (
	"fmt"
	"slices"
	"time"

	"odradek/bench/cell"
)

// pair is ours and theirs.
type pair struct{ ours, theirs Entrant }

// The pairings. Equal ones make records durable the same way; the uneven one has our fsync against Kafka without.
var (
	bothFlushed = pair{Durable, KafkaFlushed}
	bothRelaxed = pair{Relaxed, KafkaDefault}
	uneven      = pair{Durable, KafkaDefault}
)

// the four in the order in which they run: sides alternate.
var four = []Entrant{Durable, KafkaFlushed, Relaxed, KafkaDefault}

var flushedTwo, relaxedTwo = []Entrant{Durable, KafkaFlushed}, []Entrant{Relaxed, KafkaDefault}

// ratio asks how many times better ours is.
func (p pair) ratio(aim int, metric, unit string, lower bool, want float64) Question {
	return Question{Aim: aim, Metric: metric, Unit: unit, Lower: lower, Ours: p.ours, Theirs: &p.theirs, Want: want}
}

// told are figures of nothing but interest, for each pair.
func told(metric, unit string, lower bool, pairs ...pair) (out []Question) {
	for _, p := range pairs {
		out = append(out, p.ratio(0, metric, unit, lower, 0))
	}
	return out
}

// Cells are all, in the order of the aims.
func Cells() []*Cell {
	var out []*Cell
	out = append(out, produce()...)
	out = append(out, small()...)
	out = append(out, paced(), synchronous(1), synchronous(64), spread())
	out = append(out, apart()...)
	out = append(out, process()...)
	out = append(out, rereads()...)
	out = append(out, codecs()...)
	out = append(out, three()...)
	out = append(out, others()...)
	return out
}

// kilobyte is a load of records of 1 KB.
func kilobyte(change func(*cell.Cell)) *cell.Cell {
	c := cell.Default()
	c.Record = 1000
	change(&c)
	return &c
}

// produce are the first two aims: records a second and CPU for each GB.
func produce() []*Cell {
	var out []*Cell
	for _, batch := range []int{16 << 10, 1 << 20} {
		c := &Cell{Name: "produce/" + cell.BatchName(batch) + "x1KB", About: "records of 1 KB, acks=all, 4 connections × 5 requests, 4 partitions", Nodes: 1, Entrants: four, Rounds: 5, Length: rateLength,
			Load: kilobyte(func(c *cell.Cell) { c.Batch = batch }), Quick: true}
		for _, p := range []pair{bothFlushed, bothRelaxed} {
			c.Questions = append(c.Questions, p.ratio(1, "records_rate", "records/s", false, 2.5), p.ratio(2, "cpu_per_gb", "s/GB", true, 5))
		}
		c.Questions = append(c.Questions, uneven.ratio(1, "records_rate", "records/s", false, 1), uneven.ratio(0, "cpu_per_gb", "s/GB", true, 0))
		c.Questions = append(c.Questions, told("ack_p99", "ms", true, bothFlushed, bothRelaxed)...)
		out = append(out, c)
	}
	d := cell.Default()
	c := &Cell{Name: "produce/16Kx100B", About: "records of 100 B, otherwise the same", Nodes: 1, Entrants: four, Rounds: 5, Length: rateLength, Load: &d, Quick: true}
	for _, p := range []pair{bothFlushed, bothRelaxed} {
		c.Questions = append(c.Questions, p.ratio(1, "records_rate", "records/s", false, 4), p.ratio(2, "cpu_per_gb", "s/GB", true, 5))
	}
	c.Questions = append(c.Questions, uneven.ratio(0, "records_rate", "records/s", false, 0),
		Question{Aim: 1, Metric: "records_rate", Unit: "records/s", Ours: Relaxed, Want: 1e6}, Question{Aim: 1, Metric: "records_rate", Unit: "records/s", Ours: Durable, Want: 1e6})
	return append(out, c)
}

// small is the third aim: a record a request.
func small() []*Cell {
	c := &Cell{Name: "unbatched/64", About: "one record of 1 KB a request, 64 connections × 1 request, 4 partitions", Nodes: 1, Entrants: four, Rounds: 5, Length: rateLength, Quick: true,
		Load: kilobyte(func(c *cell.Cell) { c.Batch, c.Producers, c.InFlight = 0, 64, 1 })}
	for _, p := range []pair{bothFlushed, bothRelaxed} {
		c.Questions = append(c.Questions, p.ratio(3, "batches_rate", "requests/s", false, 6), p.ratio(0, "cpu_per_record", "µs", true, 0), p.ratio(0, "ack_p99", "ms", true, 0))
	}
	c.Questions = append(c.Questions, uneven.ratio(0, "batches_rate", "requests/s", false, 0))
	return []*Cell{c}
}

// The lengths of measurements. At 10 000 messages a second latencyLength leaves 60 messages beyond p99.9; segments are deleted many times in shapeLength.
const (
	rateLength    = 2500 * time.Millisecond
	codecLength   = 1200 * time.Millisecond
	latencyLength = 6 * time.Second
	shapeLength   = 6 * time.Second
)

// paced is the fourth aim: end to end by a schedule.
func paced() *Cell {
	c := &Cell{Name: "e2e/10Kx1KB", About: "10 000 messages a second of 1 KB, one a request, from when each was due to its consumer", Nodes: 1, Entrants: four, Rounds: 5, Length: latencyLength, Around: 3 * time.Second, Quick: true,
		Load: kilobyte(func(c *cell.Cell) { c.Batch, c.Rate = 0, 10_000 })}
	c.Questions = []Question{{Aim: 4, Metric: "e2e_p50", Unit: "ms", Lower: true, Ours: Relaxed, Want: 0.150},
		{Aim: 4, Metric: "e2e_p50", Unit: "ms", Lower: true, Ours: Durable, Reference: "fdatasync_p50", Want: 2}}
	for _, p := range []pair{bothFlushed, bothRelaxed} {
		c.Questions = append(c.Questions, p.ratio(4, "e2e_p999", "ms", true, 10))
		for _, m := range []string{"e2e_p50", "e2e_p99", "e2e_p9999", "e2e_max"} {
			c.Questions = append(c.Questions, p.ratio(0, m, "ms", true, 0))
		}
	}
	return c
}

// apart are cells of the first, third and fourth aim once more, with a processor for the brokers and one for the generator: neither takes time from the other. Nothing
// is asked of them.
func apart() []*Cell {
	var out []*Cell
	for _, c := range []*Cell{produce()[0], small()[0], paced()} {
		c.Name, c.About, c.Pinned, c.Quick, c.Rounds = "pinned/"+c.Name, c.About+"; brokers on one processor, the generator on the other", true, false, 3
		for i := range c.Questions {
			c.Questions[i].Aim, c.Questions[i].Want = 0, 0
		}
		c.Questions = slices.DeleteFunc(c.Questions, func(q Question) bool { return q.Theirs == nil })
		out = append(out, c)
	}
	return out
}

// synchronous is the fifth aim: everybody waits for the disk.
func synchronous(partitions int) *Cell {
	name := "one partition"
	if partitions > 1 {
		name = fmt.Sprintf("%d partitions", partitions)
	}
	return &Cell{Name: fmt.Sprintf("synchronous/p%d", partitions), About: "64 producers, one record of 1 KB each under way, " + name, Nodes: 1, Entrants: flushedTwo, Rounds: 5, Length: rateLength, Quick: partitions == 1,
		Load: kilobyte(func(c *cell.Cell) { c.Batch, c.Producers, c.InFlight, c.Partitions = 0, 64, 1, partitions }),
		Questions: []Question{bothFlushed.ratio(5, "batches_rate", "requests/s", false, 20),
			{Aim: 5, Metric: "ack_p99", Unit: "ms", Lower: true, Ours: Durable, Reference: "fdatasync_p99", Want: 2.5},
			bothFlushed.ratio(0, "ack_p50", "ms", true, 0), bothFlushed.ratio(0, "ack_p99", "ms", true, 0)}}
}

// spread is one record for each of a thousand partitions a request. Kafka with flush.messages=1 takes seconds for one.
func spread() *Cell {
	c := &Cell{Name: "rounds/p1000", About: "a record of 1 KB for each of 1 000 partitions in a request, one request under way", Nodes: 1, Entrants: []Entrant{Durable, KafkaDefault, Relaxed}, Rounds: 3, Length: rateLength, Around: 11 * time.Second, Do: rounds, Quick: true}
	for _, p := range []pair{uneven, bothRelaxed} {
		c.Questions = append(c.Questions, p.ratio(0, "round_p50", "ms", true, 0), p.ratio(0, "round_p99", "ms", true, 0))
	}
	c.Questions[0].Aim, c.Questions[1].Aim = 5, 5
	return c
}

// process is the sixth aim: memory, start, recovery.
func process() []*Cell {
	limit := func(metric, unit string, want float64) []Question {
		return []Question{{Aim: 6, Metric: metric, Unit: unit, Lower: true, Ours: Durable, Want: want}, uneven.ratio(0, metric, unit, true, 0)}
	}
	two := []Entrant{Durable, KafkaDefault}
	mem := &Cell{Name: "memory", About: "resident set: after the start, with 1 000 partitions, and at its greatest under 100 000 records/s of 1 KB", Nodes: 1, Entrants: two, Do: memory, Alone: true, Brief: "memory is no matter of CPU", Rounds: 2, Length: 4 * time.Second, Around: 18 * time.Second,
		Questions: append(append(limit("idle", "MB", 20), limit("partitions", "MB", 60)...), limit("loaded", "MB", 80)...)}
	first := &Cell{Name: "start", About: "execution on an empty directory to the first acknowledged record", Nodes: 1, Entrants: two, Do: start, Alone: true, Brief: "it is over after some milliseconds", Rounds: 5, Around: 2 * time.Second, Quick: true,
		Questions: append(limit("start", "ms", 25), uneven.ratio(0, "start_formatted", "ms", true, 0))}
	again := &Cell{Name: "recovery", About: "execution after kill -9 to the first acknowledged record, 1 000 partitions", Nodes: 1, Entrants: []Entrant{Durable, KafkaDefault, Relaxed}, Do: recovery, Alone: true, Rounds: 2, Around: time.Minute,
		Questions: append(limit("recovery", "ms", 500), Question{Aim: 6, Metric: "recovery", Unit: "ms", Lower: true, Ours: Relaxed, Want: 500}, bothRelaxed.ratio(0, "recovery", "ms", true, 0))}
	return []*Cell{mem, first, again}
}

// rereads are the seventh aim, and the second half of the second.
func rereads() []*Cell {
	var out []*Cell
	for _, batch := range []int{16 << 10, 1 << 20} {
		out = append(out, &Cell{Name: "catchup/" + cell.BatchName(batch), About: "reading from the start out of the page cache, 4 connections, 1 MB a request", Nodes: 1, Entrants: relaxedTwo, Do: reread(batch), Rounds: 4, Length: rateLength, Around: 5 * time.Second, Quick: batch == 1<<20,
			Questions: []Question{bothRelaxed.ratio(0, "read", "MB/s", false, 0), bothRelaxed.ratio(2, "read_cpu_per_gb", "s/GB", true, 4),
				{Aim: 7, Metric: "read", Unit: "MB/s", Ours: Relaxed, Reference: "sendfile", Want: 0.8},
				{Aim: 7, Metric: "copied", Unit: "%", Lower: true, Ours: Relaxed, Want: 0}, {Metric: "copied_small", Unit: "%", Lower: true, Ours: Relaxed}}})
	}
	return out
}

// codecs are the eighth aim: batch sizes by codecs, records of 100 B.
func codecs() []*Cell {
	var out []*Cell
	for _, batch := range cell.Batches() {
		for _, codec := range cell.Codecs() {
			d := cell.Default()
			d.Batch, d.Codec = batch, codec
			out = append(out, &Cell{Name: "codec/" + cell.BatchName(batch) + "/" + codec, About: "records of 100 B of JSON", Nodes: 1, Entrants: relaxedTwo, Rounds: 4, Length: codecLength, Load: &d,
				Questions: []Question{bothRelaxed.ratio(8, "records_rate", "records/s", false, 1), bothRelaxed.ratio(0, "cpu_per_gb", "s/GB", true, 0)}})
		}
	}
	return out
}

// three is the ninth aim: replicated three times.
func three() []*Cell {
	var out []*Cell
	for _, batch := range []int{16 << 10, 1 << 20} {
		c := &Cell{Name: "three/" + cell.BatchName(batch) + "x1KB", About: "three brokers, 3 replicas, acks=all, 12 partitions, 4 producers × 5 requests at each broker", Nodes: 3, Entrants: four, Rounds: 5, Length: rateLength, Around: 2500 * time.Millisecond, Quick: batch == 16<<10,
			Load: kilobyte(func(c *cell.Cell) { c.Batch, c.Partitions = batch, 12 })}
		for _, p := range []pair{bothFlushed, bothRelaxed} {
			c.Questions = append(c.Questions, p.ratio(9, "records_rate", "records/s", false, 3), p.ratio(0, "cpu_per_gb", "s/GB", true, 0), p.ratio(0, "ack_p99", "ms", true, 0))
		}
		c.Questions = append(c.Questions, uneven.ratio(0, "records_rate", "records/s", false, 0))
		out = append(out, c)
	}
	return out
}
