package report

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"
	"github.com/vbauerster/mpb/v8/cwriter"
)

// columns of the table in a terminal or a pipe.
var columns = []struct{ head, metric string }{
	{"MB/s", "throughput"}, {"records/s", "records_rate"}, {"ack p50 ms", "ack_p50"}, {"ack p99 ms", "ack_p99"}, {"ack p99.9 ms", "ack_p999"},
	{"e2e p50 ms", "e2e_p50"}, {"CPU-s/GB", "cpu_per_gb"}, {"wire B/record", "wire_per_record"}, {"fsyncs/record", "fsyncs_per_record"},
}

// Table prints the medians: with lines on a terminal, separated by tabs elsewhere.
func (r *Results) Table(w io.Writer) error {
	head := []string{"cell"}
	for _, c := range columns {
		head = append(head, c.head)
	}
	var rows [][]string
	for _, s := range r.Cells {
		row := []string{s.ID}
		for _, c := range columns {
			if i, ok := s.Get(c.metric); ok {
				row = append(row, Digits(i.Median))
			} else {
				row = append(row, "–")
			}
		}
		if len(s.runs) == 0 {
			row[1] = "failed"
		}
		rows = append(rows, row)
	}
	return Print(w, head, rows)
}

// Print prints a table: with lines on a terminal, separated by tabs elsewhere.
func Print(w io.Writer, head []string, rows [][]string) error {
	if file, ok := w.(*os.File); ok && cwriter.IsTerminal(int(file.Fd())) {
		t := table.New().Border(lipgloss.NormalBorder()).Headers(head...).Rows(rows...).StyleFunc(func(_, col int) lipgloss.Style {
			if col == 0 {
				return lipgloss.NewStyle()
			}
			return lipgloss.NewStyle().Align(lipgloss.Right).PaddingLeft(1)
		})
		_, err := fmt.Fprintln(w, t)
		return err
	}
	for _, row := range append([][]string{head}, rows...) {
		if _, err := fmt.Fprintln(w, strings.ReplaceAll(strings.Join(row, "\t"), "\u202f", "")); err != nil {
			return err
		}
	}
	return nil
}
