package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// pagePath is the page with the table of the last run. Its text is written by hand; the table, all lines that begin with a bar, by --page.
const pagePath = "docs/PLANTED.md"

// pageRow is a line of the table.
type pageRow struct {
	name, row, class string
	oracle           string // that caught it; "missed", or "none" of a canary
	seed, seconds    string
}

const (
	missed = "missed"
	none   = "none"
)

var pageHead = []string{"| bug | row | class | caught by | seed | seconds |", "|---|---|---|---|---|---|"}

func (r *pageRow) line() string {
	return fmt.Sprintf("| [%s](../%s/%s.txt) | %s | %s | %s | %s | %s |", r.name, bugsFolder, r.name, r.row, r.class, r.oracle, r.seed, r.seconds)
}

// parsePage returns the rows of the page's table.
func parsePage(text string) (rows []pageRow) {
	for line := range strings.SplitSeq(text, "\n") {
		cells := strings.Split(line, " | ")
		name, ok := strings.CutPrefix(cells[0], "| [")
		if !ok || len(cells) != 6 {
			continue
		}
		name, _, _ = strings.Cut(name, "]")
		rows = append(rows, pageRow{name, cells[1], cells[2], cells[3], cells[4], strings.TrimSuffix(cells[5], " |")})
	}
	return rows
}

func readPage(root string) ([]pageRow, error) {
	text, err := os.ReadFile(filepath.Join(root, pagePath))
	return parsePage(string(text)), err
}

// rowOf is what a verdict says in the table.
func rowOf(v *verdict) pageRow {
	r := pageRow{name: v.bug.name, row: v.bug.row, class: string(v.bug.class), oracle: missed, seed: "", seconds: fmt.Sprintf("%.1f", v.seconds)}
	switch {
	case v.bug.class == harmless && v.fine():
		r.oracle = none
	case v.fine():
		r.oracle, r.seed = v.caught.oracle, strconv.Itoa(v.caught.seed)
	}
	return r
}

// silentHead begins the line that names the oracles which caught nothing.
const silentHead = "No planted bug is caught first by: "

// renderPage puts verdicts into the page's table. What was not run now keeps its row, unless there is no such bug any more.
func renderPage(text string, all []bug, verdicts []verdict, oracles map[string]string) string {
	rows := map[string]pageRow{}
	for _, r := range parsePage(text) {
		rows[r.name] = r
	}
	for i := range verdicts {
		rows[verdicts[i].bug.name] = rowOf(&verdicts[i])
	}
	var table []pageRow
	for i := range all {
		if r, ok := rows[all[i].name]; ok {
			table = append(table, r)
		}
	}
	slices.SortStableFunc(table, func(a, b pageRow) int {
		return cmp.Or(cmp.Compare(rowNumber(a.row), rowNumber(b.row)), cmp.Compare(a.name, b.name))
	})
	var out []string
	begun := false
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case strings.HasPrefix(line, silentHead):
			out = append(out, silentHead+strings.Join(silent(oracles, table), ", ")+".")
		case !strings.HasPrefix(line, "|"):
			out = append(out, line)
		case !begun:
			begun = true
			out = append(out, pageHead...)
			for i := range table {
				out = append(out, table[i].line())
			}
		}
	}
	return strings.Join(out, "\n")
}

// silent returns the oracles that caught nothing.
func silent(oracles map[string]string, table []pageRow) (names []string) {
	for o := range oracles { // any order: sorted below
		if !slices.ContainsFunc(table, func(r pageRow) bool { return r.oracle == o }) {
			names = append(names, o)
		}
	}
	slices.Sort(names)
	return names
}

// rowNumber orders rows of the corpus; our own come last.
func rowNumber(row string) int {
	if n, err := strconv.Atoi(row); err == nil {
		return n
	}
	return 1 << 20
}

func writePage(root string, all []bug, verdicts []verdict) error {
	path := filepath.Join(root, pagePath)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	oracles, err := oraclesOf(root)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(renderPage(string(text), all, verdicts, oracles)), 0o644)
}

// quickest returns the canary and the n bugs that were caught in the lowest seeds and the least time, no two by one oracle.
func quickest(bugs []bug, last []pageRow, n int) []bug {
	last = slices.Clone(last)
	slices.SortStableFunc(last, func(a, b pageRow) int { return cmp.Compare(rowSeconds(a), rowSeconds(b)) })
	var names, oracles []string
	for _, r := range last {
		if r.class == string(easy) && r.oracle != missed && len(names) < n && !slices.Contains(oracles, r.oracle) {
			names, oracles = append(names, r.name), append(oracles, r.oracle)
		}
	}
	return slices.DeleteFunc(slices.Clone(bugs), func(b bug) bool { return b.class != harmless && !slices.Contains(names, b.name) })
}

func rowSeconds(r pageRow) float64 {
	s, err := strconv.ParseFloat(r.seconds, 64)
	if err != nil {
		return 1e9
	}
	return s
}
