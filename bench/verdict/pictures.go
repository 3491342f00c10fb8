package verdict

import (
	"path/filepath"
	"slices"
	"strings"

	"odradek/bench/cell"
	"odradek/bench/chart"
	"odradek/bench/race"
)

// picture is one of a section.
type picture struct {
	name, title string
	drawing     interface {
		Count() int
		Draw(path string) error
	}
}

// pictures are those of a section that have two points.
func (c *Comparison) pictures(s section) []picture {
	var out []picture
	add := func(p picture) {
		if p.drawing.Count() >= 2 {
			p.name = "race-" + p.name
			out = append(out, p)
		}
	}
	if s.key != "8" {
		f := ratios(s)
		add(picture{s.key, f.Title, f})
	}
	for _, l := range lines[s.key] {
		p := c.byCell(l)
		add(picture{p.Name, p.Title, p})
	}
	for _, p := range percentiles[s.key] {
		drawn := c.percentiles(p)
		add(picture{drawn.Name, drawn.Title, drawn})
	}
	if s.key == "8" {
		h := c.codecs()
		add(picture{h.Name, h.Title, h})
	}
	return out
}

// draw draws every picture.
func (c *Comparison) draw(dir string) (names []string, err error) {
	for _, s := range c.sections() {
		for _, p := range c.pictures(s) {
			path := filepath.Join(dir, p.name)
			if err := p.drawing.Draw(path); err != nil {
				return nil, err
			}
			names = append(names, path+".svg", path+".png")
		}
	}
	return names, nil
}

// ratios shows how many times better ours is, answer by answer, and what is asked.
func ratios(s section) *chart.Forest {
	f := &chart.Forest{Name: s.key, Title: s.title, XLabel: "times better than Kafka; in brackets who syncs; bars: what is asked"}
	for _, asked := range []bool{true, false} {
		for i := range s.rows {
			r := &s.rows[i]
			if !r.against || r.unavailable || r.asked != asked {
				continue
			}
			_, name, found := strings.Cut(r.Cell, s.key+"/")
			if !found {
				name = r.Cell
			}
			line := chart.Ratio{Name: name + " " + r.Metric + " " + pairing(r), Value: r.Ratio}
			if asked {
				line.Asked = r.Want
			}
			f.Rows = append(f.Rows, line)
		}
	}
	return f
}

// pairing names who makes records durable, where there is little room.
func pairing(r *Row) string {
	switch {
	case r.Theirs == race.KafkaFlushed.String():
		return "(both)"
	case r.Ours == race.Durable.String():
		return "(only ours)"
	}
	return "(none)"
}

// entrants are the lines of a picture, ours and theirs by turns.
var entrants = []race.Entrant{race.Durable, race.KafkaFlushed, race.Relaxed, race.KafkaDefault}

// figure is a picture of one figure of several cells.
type figure struct {
	name, title, label, metric string
	prefixes                   []string
}

var lines = map[string][]figure{
	"1": {{"rates", "Acknowledged records per second, acks=all", "records/s", "records_rate", []string{"produce/"}}},
	"2": {{"cpu", "Broker CPU per GB produced", "CPU-seconds per GB", "cpu_per_gb", []string{"produce/"}}},
	"9": {{"three", "Three brokers: acknowledged records per second", "records/s", "records_rate", []string{"three/"}}},
}

// byCell shows a figure of several cells, for each entrant.
func (c *Comparison) byCell(f figure) *chart.Chart {
	p := &chart.Chart{Name: f.name, Title: f.title, YLabel: f.label, XLabel: "batch × record", LogY: true, Unconnected: true}
	var cells []string
	for _, cell := range c.cells {
		ran := slices.ContainsFunc(entrants, func(e race.Entrant) bool { return len(c.point(0, cell.Name, f.metric, e)) > 0 })
		if ran && slices.ContainsFunc(f.prefixes, func(prefix string) bool { return strings.HasPrefix(cell.Name, prefix) }) {
			_, rest, _ := strings.Cut(cell.Name, "/")
			cells, p.Categories = append(cells, cell.Name), append(p.Categories, strings.Replace(rest, "x", " × ", 1))
		}
	}
	for _, e := range entrants {
		s := chart.Series{Name: short(e)}
		for i, cell := range cells {
			s.Points = append(s.Points, c.point(float64(i), cell, f.metric, e)...)
		}
		p.Series = append(p.Series, s)
	}
	return p
}

// short is an entrant's name in a legend.
func short(e race.Entrant) string {
	switch e {
	case race.Durable:
		return "ours, fsync"
	case race.Relaxed:
		return "ours, relaxed"
	case race.KafkaFlushed:
		return "Kafka, fsync"
	}
	return "Kafka"
}

func (c *Comparison) point(x float64, cell, metric string, e race.Entrant) []chart.Point {
	found, _ := values(cell, metric, e, c.Runs)
	if i := interval(found); i.Runs > 0 && i.Median > 0 {
		return []chart.Point{{X: x, Y: i}}
	}
	return nil
}

// times is a picture of the percentiles of a cell.
type times struct{ name, title, label, cell, of string }

var percentiles = map[string][]times{
	"4": {{"e2e", "End to end at 10 000 messages/s of 1 KB", "from due to consumed, ms", "e2e/10Kx1KB", "e2e"}},
	"5": {{"synchronous-1", "64 synchronous producers, one partition", "acknowledgement, ms", "synchronous/p1", "ack"},
		{"synchronous-64", "64 synchronous producers, 64 partitions", "acknowledgement, ms", "synchronous/p64", "ack"}},
	"pinned": {{"pinned-e2e", "End to end at 10 000 messages/s, processors apart", "from due to consumed, ms", "pinned/e2e/10Kx1KB", "e2e"}},
}

func (c *Comparison) percentiles(t times) *chart.Chart {
	p := &chart.Chart{Name: t.name, Title: t.title, YLabel: t.label, LogY: true, Categories: []string{"p50", "p99", "p99.9", "p99.99", "max"}}
	for _, e := range entrants {
		s := chart.Series{Name: short(e)}
		for i, m := range []string{"_p50", "_p99", "_p999", "_p9999", "_max"} {
			s.Points = append(s.Points, c.point(float64(i), t.cell, t.of+m, e)...)
		}
		p.Series = append(p.Series, s)
	}
	return p
}

// codecAim is the aim of batch sizes × codecs.
const codecAim = 8

func codecCell(batch int, codec string) string {
	return "codec/" + cell.BatchName(batch) + "/" + codec
}

// codecs shows the ratios of batch sizes × codecs.
func (c *Comparison) codecs() *chart.Heat {
	h := &chart.Heat{Name: "codecs", Title: "Records per second: Odradek relaxed ÷ Kafka", Across: "codec", Down: "batch", Columns: cell.Codecs()}
	for _, batch := range cell.Batches() {
		h.Rows = append(h.Rows, cell.BatchName(batch))
		row := make([]float64, len(h.Columns))
		for j, codec := range h.Columns {
			at := slices.IndexFunc(c.Rows, func(r Row) bool { return r.Cell == codecCell(batch, codec) && r.Aim == codecAim && !r.unavailable })
			if at >= 0 {
				row[j] = c.Rows[at].Ratio.Median
			}
		}
		h.Values = append(h.Values, row)
	}
	return h
}
