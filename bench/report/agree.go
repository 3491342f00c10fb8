package report

import (
	"fmt"
	"io"
)

// compared are the metrics by which two sweeps of the same build should agree.
var compared = []string{"throughput", "ack_p50", "ack_p99", "e2e_p50", "cpu_per_gb", "wire_per_record", "fsyncs_per_record"}

// Agree prints, for each metric of each cell that both have, their intervals and whether they share a value, and returns how many do not.
func Agree(w io.Writer, a, b []*Summary) (apart, all int, err error) {
	_, err = fmt.Fprintln(w, "cell\tmetric\tfirst\tsecond\t")
	for _, first := range a {
		for _, second := range b {
			if first.ID != second.ID {
				continue
			}
			for _, m := range compared {
				x, ok1 := first.Get(m)
				y, ok2 := second.Get(m)
				if !ok1 || !ok2 || x.Runs < 2 || y.Runs < 2 {
					continue
				}
				word := "agree"
				if all++; !x.Overlaps(y) {
					word = "apart"
					apart++
				}
				if _, err = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", first.ID, m, text(first, m), text(second, m), word); err != nil {
					return apart, all, err
				}
			}
		}
	}
	return apart, all, err
}
