package verdict

import (
	"path/filepath"
	"slices"
	"strings"

	"odradek/bench/cell"
	"odradek/bench/chart"
	"odradek/bench/race"
)

// draw draws every picture that has two points.
func (c *Comparison) draw(dir string) (names []string, err error) {
	for _, p := range []*chart.Chart{c.rates(), c.costs(), c.latencies(), c.codecs()} {
		if p.Count() < 2 {
			continue
		}
		path := filepath.Join(dir, p.Name)
		if err := p.Draw(path); err != nil {
			return nil, err
		}
		names = append(names, path+".svg", path+".png")
	}
	return names, nil
}

// entrants are the lines of a picture, ours and theirs by turns.
var entrants = []race.Entrant{race.Durable, race.KafkaFlushed, race.Relaxed, race.KafkaDefault}

// byCell shows a figure of several cells, for each entrant.
func (c *Comparison) byCell(name, title, label, metric string, prefixes ...string) *chart.Chart {
	p := &chart.Chart{Name: name, Title: title, YLabel: label, XLabel: "batch × record; 1 record a request; three brokers", LogY: true, Unconnected: true}
	var cells []string
	for _, cell := range c.cells {
		ran := slices.ContainsFunc(entrants, func(e race.Entrant) bool { return len(c.point(0, cell.Name, metric, e)) > 0 })
		if ran && slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(cell.Name, prefix) }) {
			cells, p.Categories = append(cells, cell.Name), append(p.Categories, tick(cell))
		}
	}
	for _, e := range entrants {
		s := chart.Series{Name: short(e)}
		for i, cell := range cells {
			s.Points = append(s.Points, c.point(float64(i), cell, metric, e)...)
		}
		p.Series = append(p.Series, s)
	}
	return p
}

// tick is a cell's name on an axis, where there is little room.
func tick(c *race.Cell) string {
	kind, rest, _ := strings.Cut(c.Name, "/")
	switch kind {
	case "three":
		return "RF3 " + strings.TrimSuffix(rest, "x1KB")
	case "unbatched":
		return "1 record"
	}
	return strings.Replace(rest, "x", " × ", 1)
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

func (c *Comparison) rates() *chart.Chart {
	return c.byCell("compare-rates", "Acknowledged records per second, acks=all", "records/s", "records_rate", "produce/", "unbatched/", "three/")
}

func (c *Comparison) costs() *chart.Chart {
	return c.byCell("compare-cpu", "Broker CPU per GB produced", "CPU-seconds per GB", "cpu_per_gb", "produce/", "three/")
}

// latencies shows percentiles end to end.
func (c *Comparison) latencies() *chart.Chart {
	metrics := []string{"e2e_p50", "e2e_p99", "e2e_p999", "e2e_p9999", "e2e_max"}
	p := &chart.Chart{Name: "compare-e2e", Title: "End to end at 10 000 messages/s of 1 KB", YLabel: "from due to consumed, ms", LogY: true,
		Categories: []string{"p50", "p99", "p99.9", "p99.99", "max"}}
	for _, e := range entrants {
		s := chart.Series{Name: short(e)}
		for i, m := range metrics {
			s.Points = append(s.Points, c.point(float64(i), "e2e/10Kx1KB", m, e)...)
		}
		p.Series = append(p.Series, s)
	}
	return p
}

// codecs shows the ratios of batch sizes × codecs.
func (c *Comparison) codecs() *chart.Chart {
	p := &chart.Chart{Name: "compare-codecs", Title: "Records per second: Odradek relaxed ÷ Kafka, by batch size and codec", XLabel: "batch size before compression", YLabel: "times as many", LogY: true}
	for _, codec := range cell.Codecs() {
		s := chart.Series{Name: codec}
		for i, batch := range cell.Batches() {
			name := "codec/" + cell.BatchName(batch) + "/" + codec
			at := slices.IndexFunc(c.Rows, func(r Row) bool { return r.Cell == name && r.Aim == 8 && !r.unavailable })
			if at >= 0 {
				s.Points = append(s.Points, chart.Point{X: float64(i), Y: c.Rows[at].Ratio})
			}
		}
		p.Series = append(p.Series, s)
	}
	for _, batch := range cell.Batches() {
		p.Categories = append(p.Categories, cell.BatchName(batch))
	}
	return p
}
