package verdict

import (
	"slices"
	"strings"

	"odradek/bench/race"
)

// section is a part of the page: an aim, or cells of which nothing is asked.
type section struct {
	key   string // in the names of files: the aim's number, or a word
	title string
	asked string
	rows  []Row
}

// further are the sections behind those of the aims, by the beginning of their cells' names.
var further = []section{
	{key: "pinned", title: "Processors apart", asked: "Cells of the aims once more, brokers on one processor, the generator on the other. Nothing is asked."},
	{key: "shape", title: "Shapes in which claims broke", asked: "Many keyed producers, a topic that is full, a backlog that is drained beside producers. Nothing is asked."},
	{key: "tool", title: "Other people's tools", asked: "Kafka's own perf tools, and librdkafka's. Nothing is asked."},
}

// sections are all that have an answer.
func (c *Comparison) sections() (out []section) {
	all := make([]section, len(race.Aims))
	for i, a := range race.Aims {
		all[i] = section{key: string(rune('1' + i)), title: string(rune('1'+i)) + ". " + a.Title, asked: a.Asked}
	}
	all = append(all, slices.Clone(further)...)
	for _, r := range c.Rows {
		if i := c.sectionOf(&r); i >= 0 {
			all[i].rows = append(all[i].rows, r)
		}
	}
	return slices.DeleteFunc(all, func(s section) bool { return len(s.rows) == 0 })
}

// sectionOf is the section of an answer. What is only told stands with the aim that asks about the same figure of the cell, or else with the last that the cell belongs to.
func (c *Comparison) sectionOf(r *Row) int {
	kind, _, _ := strings.Cut(r.Cell, "/")
	if i := slices.IndexFunc(further, func(s section) bool { return s.key == kind }); i >= 0 {
		return len(race.Aims) + i
	}
	if r.Aim != 0 {
		return r.Aim - 1
	}
	last := -1
	for _, cell := range c.cells {
		for _, q := range cell.Questions {
			switch {
			case cell.Name != r.Cell || q.Aim == 0:
			case q.Metric == r.Metric:
				return q.Aim - 1
			default:
				last = q.Aim - 1
			}
		}
	}
	return last
}

// Missed are those of ours that are to be profiled: of an aim that is not met, or that has no figure to be held against.
func (c *Comparison) Missed() (out []race.Suspect) {
	for _, r := range c.Rows {
		s := race.Suspect{Cell: r.Cell, Entrant: r.Ours}
		if r.Aim != 0 && r.OurValue.Runs > 0 && (r.unavailable || r.Met != nil && !*r.Met) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
