package verdict

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"odradek/bench/measure"
	"odradek/bench/report"
)

func timeOf(ns float64) time.Duration { return time.Duration(ns) }

// text is a median with its interval.
func text(i measure.Interval) string {
	switch i.Runs {
	case 0:
		return "–"
	case 1:
		return report.Digits(i.Median)
	}
	return report.Digits(i.Median) + " (" + report.Digits(i.Low) + "–" + report.Digits(i.High) + ")"
}

// want says what is asked.
func (r *Row) want() string {
	if !r.asked {
		return ""
	}
	sign := "≥ "
	if r.Lower && !r.against {
		sign = "≤ "
	}
	number := report.Digits(r.Want)
	switch {
	case r.against:
		return sign + number + "×"
	case r.Theirs != "":
		return sign + number + " × " + r.Theirs
	}
	return sign + number + " " + r.Unit
}

// verdict is a word for each row. Rows in which the other is faster say so whether or not something was asked.
func (r *Row) verdict() string {
	switch {
	case r.unavailable && r.Unable != "":
		return "not run: " + first(r.Unable)
	case r.unavailable && len(r.Errors) > 0:
		return "no figure: " + first(r.Errors[0])
	case r.unavailable:
		return "no figure"
	case r.Met != nil && *r.Met:
		return "met"
	case r.Met != nil && r.against && r.Ratio.Median < 1:
		return "**missed, " + r.Theirs + " is better**"
	case r.Met != nil:
		return "**missed**"
	case r.against && r.Ratio.Median < 1:
		return "**" + r.Theirs + " is better**"
	}
	return ""
}

// first is the first line, without what would end a cell of a table.
func first(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.ReplaceAll(line, "|", "/")
}

var head = []string{"aim", "cell", "figure", "ours", "theirs", "ratio", "asked", ""}

// row prints an answer in the columns of head.
func (r *Row) row() []string {
	aim := ""
	if r.Aim != 0 {
		aim = fmt.Sprint(r.Aim)
	}
	theirs, ratio := "", text(r.Ratio)
	switch {
	case r.against && r.unavailable:
		theirs = text(r.TheirValue) + " " + r.Theirs
	case r.against:
		theirs, ratio = text(r.TheirValue)+" "+r.Theirs, ratio+"×"
	case r.Theirs != "":
		theirs = text(r.TheirValue) + " " + r.Theirs
	default:
		ratio = ""
	}
	return []string{aim, r.Cell, strings.TrimSpace(r.Metric + " " + unit(r.Unit)), text(r.OurValue) + " " + strings.TrimPrefix(r.Ours, "odradek "), theirs, ratio, r.want(), r.verdict()}
}

func unit(u string) string {
	if u == "" {
		return ""
	}
	return "[" + u + "]"
}

// Table prints all answers: with lines on a terminal, separated by tabs elsewhere; then how many aims are met.
func (c *Comparison) Table(w io.Writer) error {
	var rows [][]string
	for i := range c.Rows {
		row := c.Rows[i].row()
		row[len(row)-1] = strings.ReplaceAll(row[len(row)-1], "**", "")
		rows = append(rows, row)
	}
	if err := report.Print(w, head, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, c.tally())
	return err
}

// tally counts what was asked, and tells of the aim that is about all cells together.
func (c *Comparison) tally() string {
	met, asked, none := 0, 0, 0
	for _, r := range c.Rows {
		switch {
		case !r.asked:
		case r.Met == nil:
			none++
		default:
			if asked++; *r.Met {
				met++
			}
		}
	}
	out := fmt.Sprintf("%d of %d demands met, %d without a figure", met, asked, none)
	if won, all, median := c.Medians(codecAim); all > 0 && !math.IsNaN(median) {
		out += fmt.Sprintf("; batch sizes × codecs: %d of %d cells won, median %s× (asked 2.5×)", won, all, report.Digits(median))
	}
	if why := c.unable(); len(why) > 0 {
		out += "; not run: " + strings.Join(why, ", ")
	}
	return out
}

// unable are the cells that could not be run, with the reason.
func (c *Comparison) unable() (out []string) {
	for _, r := range c.Rows {
		if text := r.Cell + " (" + first(r.Unable) + ")"; r.Unable != "" && r.unavailable && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}
