package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"odradek/bench/cell"
	"odradek/bench/chart"
	"odradek/bench/measure"
	"odradek/bench/payload"
)

//go:embed report.html.tmpl
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{"metric": text, "about": payload.About}).Parse(page))

// HTML writes the page.
func (r *Results) HTML(w io.Writer, pictures []*chart.Chart) error {
	type picture struct{ Name, Title, Caption, Further string }
	view := struct {
		*Results
		Pictures    []picture
		Neighbours  []*Summary
		Failed      []*Summary
		Calibration []figure
		Sets        []string
		Least, Most int
		Samples     int64
	}{Results: r, Neighbours: r.neighbours(), Calibration: r.calibration(), Sets: r.sets()}
	for _, p := range pictures {
		view.Pictures = append(view.Pictures, picture{p.Name, p.Title, p.Caption, p.Further})
	}
	for i, s := range r.Cells {
		if len(s.Errors) > 0 {
			view.Failed = append(view.Failed, s)
		}
		if i == 0 || len(s.runs) < view.Least {
			view.Least = len(s.runs)
		}
		view.Most = max(view.Most, len(s.runs))
		view.Samples += s.due.Count()
	}
	return pageTemplate.Execute(w, view)
}

type figure struct{ Name, Value string }

// calibration is what the machine could do, over all runs.
func (r *Results) calibration() []figure {
	names := []struct{ metric, name, unit string }{
		{"fdatasync_p50", "append 4 KiB + fdatasync, p50", "ms"}, {"fdatasync_p99", "the same, p99", "ms"}, {"disk_write", "sequential write of 32 MiB, synced", "MB/s"},
		{"loopback", "loopback", "MB/s"}, {"memory_copy", "memory copy", "GB/s"},
		{"generator_waited", "time in which the generator was ready and had no processor", "%"}}
	var out []figure
	for _, n := range names {
		var all []float64
		for _, s := range r.Cells {
			for i := range s.runs {
				for _, m := range Metrics() {
					if m.Name == n.metric {
						all = append(all, m.of(&figures{Record: &s.runs[i]}))
					}
				}
			}
		}
		if len(all) > 0 {
			i := measure.Bootstrap(all)
			out = append(out, figure{n.name, fmt.Sprintf("%s %s (least %s, most %s over %d runs)", Digits(i.Median), n.unit, Digits(slices.Min(all)), Digits(slices.Max(all)), len(all))})
		}
	}
	return out
}

// sets are the payload sets that were used.
func (r *Results) sets() (out []string) {
	for _, name := range payload.Names() {
		if slices.ContainsFunc(r.Cells, func(s *Summary) bool { return s.Cell.Payload == name }) {
			out = append(out, name)
		}
	}
	return out
}

// neighbours are the cells that differ from the default in one thing that has no picture of its own.
func (r *Results) neighbours() (out []*Summary) {
	for _, s := range r.Cells {
		if s.Cell.Open() || s.Cell.Payload != cell.Default().Payload {
			continue
		}
		if c := s.Cell; c.Batch == cell.Default().Batch && c.Codec == "none" {
			out = append(out, s)
		}
	}
	if len(out) < 2 {
		return nil
	}
	return out
}

// text prints a metric of a cell with its interval.
func text(s *Summary, metric string) string {
	i, ok := s.Get(metric)
	if !ok {
		return "–"
	}
	if i.Runs < 2 {
		return Digits(i.Median)
	}
	return Digits(i.Median) + " (" + Digits(i.Low) + "–" + Digits(i.High) + ")"
}

// Digits prints three significant digits, and whole numbers in groups of three.
func Digits(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.001:
		return fmt.Sprintf("%.1e", v)
	case v < 1:
		return fmt.Sprintf("%.3g", v)
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	whole := fmt.Sprintf("%.0f", v)
	var b strings.Builder
	for i, d := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteRune('\u202f')
		}
		b.WriteRune(d)
	}
	return b.String()
}
