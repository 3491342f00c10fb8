package report

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"odradek/bench/cell"
	"odradek/bench/chart"
	"odradek/bench/payload"
)

// Pictures draws every chart that has at least two points and returns them.
func (r *Results) Pictures(dir string) ([]*chart.Chart, error) {
	var drawn []*chart.Chart
	for _, c := range r.charts() {
		if c.Count() < 2 {
			continue
		}
		if err := c.Draw(filepath.Join(dir, c.Name)); err != nil {
			return nil, err
		}
		drawn = append(drawn, c)
	}
	return drawn, nil
}

func (r *Results) charts() []*chart.Chart {
	return []*chart.Chart{
		r.byBatch("throughput-batch", "Throughput against batch size", "throughput, MB/s of payload", "throughput", true,
			"Prepared batches sent as fast as they are acknowledged (acks=all, 4 connections × 5 requests under way, 4 partitions). MB are those of keys and values before compression.",
			"Every batch costs the broker a request, a write, a share of an fsync and an answer, whatever is in it: small batches measure that, large ones the bytes."),
		r.latencyBatch(), r.latencyRate(),
		r.linger("ack_p50", "p50", "Latency against throughput, by linger (p50)"),
		r.linger("ack_p99", "p99", "Latency against throughput, by linger (p99)"),
		r.byBatch("wire-batch", "Bytes on the wire against batch size", "bytes of request per record", "wire_per_record", true,
			"Whole Produce requests, divided by the records in them. Each record has 100 bytes of payload.",
			"The batch's header and the request's stand once in each request, and a codec finds the more repetitions the more records it sees at once."),
		r.byBatch("disk-batch", "Bytes on disk against batch size", "bytes of log file per record", "disk_per_record", true,
			"The sizes of the topic's log files, divided by the records in them.", "Batches are stored as they came: what the codec saves on the wire it saves on the disk."),
		r.ratios(), r.calls(),
		r.byBatch("cpu-batch", "Broker CPU against batch size", "broker CPU-seconds per GB of payload", "cpu_per_gb", true,
			"User and system time of the broker's process from the kernel, divided by keys and values acknowledged meanwhile.",
			"With a codec the broker decompresses each batch to check its records, but never compresses: that is the client's part."),
	}
}

// like reports whether a cell is the default one but for what change sets the same in both.
func like(c cell.Cell, change func(c, from *cell.Cell)) bool {
	d := cell.Default()
	change(&d, &c)
	return c == d
}

// collect gathers a series: the cells that match, in the order of x.
func (r *Results) collect(name, metric string, match func(*Summary) (x float64, ok bool)) chart.Series {
	s := chart.Series{Name: name}
	for _, sum := range r.Cells {
		if x, ok := match(sum); ok {
			if y, known := sum.Get(metric); known && y.Median > 0 {
				s.Points = append(s.Points, chart.Point{X: x, Y: y})
			}
		}
	}
	slices.SortFunc(s.Points, func(a, b chart.Point) int { return cmp.Compare(a.X, b.X) })
	return s
}

func batchNames() (names []string) {
	for _, b := range cell.Batches() {
		if b == 0 {
			names = append(names, "1 record")
		} else {
			names = append(names, cell.BatchName(b))
		}
	}
	return names
}

func batchIndex(batch int) (float64, bool) {
	i := slices.Index(cell.Batches(), batch)
	return float64(i), i >= 0
}

// byBatch shows a metric against batch size for each codec, in broker mode without a schedule.
func (r *Results) byBatch(name, title, label, metric string, logY bool, caption, further string) *chart.Chart {
	c := &chart.Chart{Name: name, Title: title, XLabel: "batch size before compression, bytes", YLabel: label, LogY: logY, Categories: batchNames(), Caption: caption, Further: further}
	for _, codec := range cell.Codecs() {
		c.Series = append(c.Series, r.collect(codec, metric, func(s *Summary) (float64, bool) {
			x, known := batchIndex(s.Cell.Batch)
			return x, known && s.Cell.Codec == codec && like(s.Cell, func(d, c *cell.Cell) { d.Batch, d.Codec = c.Batch, c.Codec })
		}))
	}
	return c
}

type line struct{ name, metric string }

func percentiles(of string) []line {
	return []line{{"p50", of + "_p50"}, {"p99", of + "_p99"}, {"p99.9", of + "_p999"}}
}

// clientLike reports whether a cell is a single client with a schedule, gathering records by itself.
func clientLike(c cell.Cell, change func(d, c *cell.Cell)) bool {
	return c.Mode == cell.Client && c.Open() && like(c, func(d, c *cell.Cell) {
		d.Mode, d.Rate, d.Producers, d.Linger = cell.Client, c.Rate, 1, c.Linger
		change(d, c)
	})
}

func (r *Results) latencyBatch() *chart.Chart {
	c := &chart.Chart{Name: "latency-batch", Title: "Latency against batch size, at 25 000 records/s", XLabel: "batch size, bytes (linger 20 ms)",
		YLabel: "due to acknowledged, ms", LogY: true, Categories: batchNames(),
		Caption: "One client gathers 100-byte records into batches, linger 20 ms, no codec, acks=all. A record's time counts from when it was due, so waiting for its batch to fill is in it.",
		Further: "A batch of one record asks for 25 000 requests a second. Larger ones wait to be filled, and from where they do not fill within linger only that counts."}
	for _, l := range percentiles("ack") {
		c.Series = append(c.Series, r.collect(l.name, l.metric, func(s *Summary) (float64, bool) {
			x, known := batchIndex(s.Cell.Batch)
			return x, known && s.Cell.Rate == 25e3 && s.Cell.Linger.Milliseconds() == 20 && clientLike(s.Cell, func(d, c *cell.Cell) { d.Batch = c.Batch })
		}))
	}
	return c
}

func (r *Results) latencyRate() *chart.Chart {
	c := &chart.Chart{Name: "latency-rate", Title: "Latency against offered rate", XLabel: "records due per second (100 bytes each, 16K batches)", YLabel: "time from due, ms", LogX: true, LogY: true,
		Caption: "Prepared 16K batches are sent when the schedule says, whatever the broker does. ack: from due to acknowledged; e2e: from due to a consumer that reads along.",
		Further: "Where a line turns upwards the broker (or the machine) no longer keeps up, and what is due waits in a queue that grows until the end of the run."}
	for _, l := range []line{{"ack p50", "ack_p50"}, {"ack p99", "ack_p99"}, {"ack p99.9", "ack_p999"}, {"e2e p50", "e2e_p50"}, {"e2e p99", "e2e_p99"}} {
		c.Series = append(c.Series, r.collect(l.name, l.metric, func(s *Summary) (float64, bool) {
			return s.Cell.Rate, s.Cell.Open() && like(s.Cell, func(d, c *cell.Cell) { d.Rate = c.Rate })
		}))
	}
	return c
}

func (r *Results) linger(metric, name, title string) *chart.Chart {
	c := &chart.Chart{Name: "linger-" + name, Title: title, XLabel: "records acknowledged per second (100 bytes each)", YLabel: "due to acknowledged, " + name + ", ms",
		LogX: true, LogY: true,
		Caption: "One client, batch.size 16K, no codec, acks=all, at most 5 requests under way. Each point is a rate of records due.",
		Further: "Without linger a batch leaves as soon as the connection has room, so batches grow by themselves when it has none. With linger each record pays for company at low rates, and nothing where batches fill before it ends."}
	for _, linger := range cell.Lingers() {
		s := chart.Series{Name: fmt.Sprintf("linger %d ms", linger.Milliseconds())}
		for _, sum := range byRate(r.Cells) {
			if sum.Cell.Linger != linger || !clientLike(sum.Cell, func(_, _ *cell.Cell) {}) {
				continue
			}
			x, ok1 := sum.Get("records_rate")
			y, ok2 := sum.Get(metric)
			if ok1 && ok2 && x.Median > 0 && y.Median > 0 {
				s.Points = append(s.Points, chart.Point{X: x.Median, Y: y})
			}
		}
		c.Series = append(c.Series, s)
	}
	return c
}

// byRate orders cells by the rate they ask for: what they get may turn back where the broker cannot follow.
func byRate(cells []*Summary) []*Summary {
	return slices.SortedStableFunc(slices.Values(cells), func(a, b *Summary) int { return cmp.Compare(a.Cell.Rate, b.Cell.Rate) })
}

// ratios shows compression by payload set.
func (r *Results) ratios() *chart.Chart {
	sets := payload.Names()
	c := &chart.Chart{Name: "ratio-payload", Title: "Compression by kind of payload", XLabel: "payload set (100-byte records, 64K batches)", YLabel: "payload bytes per byte on the wire", LogY: true,
		Categories: sets, Unconnected: true,
		Caption: "Bytes of keys and values divided by bytes of whole requests; below 1 the framing is more than the codec saves.",
		Further: "What a codec is worth is a property of the data first: zeros and random bytes bound what real records do."}
	for _, codec := range cell.Codecs() {
		c.Series = append(c.Series, r.collect(codec, "ratio", func(s *Summary) (float64, bool) {
			return float64(slices.Index(sets, s.Cell.Payload)), s.Cell.Codec == codec &&
				like(s.Cell, func(d, c *cell.Cell) { d.Batch, d.Codec, d.Payload = 64<<10, c.Codec, c.Payload })
		}))
	}
	return c
}

func (r *Results) calls() *chart.Chart {
	c := &chart.Chart{Name: "calls-batch", Title: "Fsyncs and system calls against batch size", XLabel: "batch size, bytes", YLabel: "calls of the broker per record", LogY: true, Categories: batchNames(),
		Caption: "Of the broker's process, no codec, acks=all. Calls are reads and writes of files and sockets as the kernel counts them (sendmsg is not among them); fsyncs are the node's own count.",
		Further: "Group commit: an fsync covers everything written before it begins, so there are fewer of them than requests."}
	for _, l := range []line{{"read + write", "calls_per_record"}, {"fsyncs", "fsyncs_per_record"}} {
		c.Series = append(c.Series, r.collect(l.name, l.metric, func(s *Summary) (float64, bool) {
			x, known := batchIndex(s.Cell.Batch)
			return x, known && like(s.Cell, func(d, c *cell.Cell) { d.Batch = c.Batch })
		}))
	}
	return c
}
