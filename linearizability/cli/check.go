// Package cli is `odradek check`: it judges a recorded history.
package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"odradek/linearizability"
)

// UsageError is a command line that cannot be carried out.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

// ExitCode is that of wrong usage.
func (e UsageError) ExitCode() int { return 2 }

// Refused is a history with an anomaly that is not allowed.
type Refused struct{ Text string }

func (r Refused) Error() string { return r.Text }

// ExitCode is that of a promise that was broken, as in `odradek sim`.
func (Refused) ExitCode() int { return 22 }

type flags struct {
	guarantee string
	pages     string
	output    string
}

// Command returns `odradek check`.
func Command() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "check HISTORY",
		Short: "Judge a recorded history of clients: was anything lost, doubled, changed or out of order?",
		Long: `Judges a history, a file of JSON lines (- reads standard input), with two judges: the anomalies of Jepsen's kafka workload, and
Porcupine, which looks for an order in which a single log could have done it all. What a client was promised stands in the history;
--guarantee says it for all of them: at-most-once (no duplicates), at-least-once (no loss), exactly-once (neither, and in order).
docs/GUARANTEES.md describes the file. Exit codes: 0 nothing is wrong, 22 a promise was broken, 1 the file cannot be read, 2 usage.`,
		Example: `  odradek check history.jsonl
  odradek check --guarantee at-least-once history.jsonl
  odradek check --html pages history.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return UsageError{errors.New("check needs one history: odradek check HISTORY")}
			}
			if f.output != "" && f.output != "json" {
				return UsageError{fmt.Errorf("-o %s: only json is known", f.output)}
			}
			return run(&f, args[0], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&f.guarantee, "guarantee", "", "what every producing client was promised: at-most-once, at-least-once or exactly-once (default: what the history says, else exactly-once)")
	cmd.Flags().StringVar(&f.pages, "html", "", "a folder for Porcupine's pages of the partitions that fail")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "json: the verdict as one object")
	_ = cmd.RegisterFlagCompletionFunc("guarantee", cobra.FixedCompletions(
		[]string{string(linearizability.AtMostOnce), string(linearizability.AtLeastOnce), string(linearizability.ExactlyOnce)}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func run(f *flags, path string, stdin io.Reader, out io.Writer) error {
	var o linearizability.Options
	if f.guarantee != "" {
		g, err := linearizability.ParseGuarantee(f.guarantee)
		if err != nil {
			return UsageError{fmt.Errorf("--guarantee: %w", err)}
		}
		o.Guarantee = g
	}
	h, err := read(path, stdin)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if f.pages != "" {
		if err := os.MkdirAll(f.pages, 0o755); err != nil {
			return fmt.Errorf("--html: %w", err)
		}
		o.Draw = func(part string) (io.WriteCloser, error) { return os.Create(filepath.Join(f.pages, part+".html")) }
	}
	start := time.Now()
	v, err := linearizability.Check(h, o)
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	if f.output == "json" {
		if err := printJSON(out, v); err != nil {
			return err
		}
	} else {
		print(out, v, time.Since(start))
	}
	if !v.Good() {
		return Refused{fmt.Sprintf("%s: %d anomalies", path, total(v.Forbidden))}
	}
	return nil
}

func read(path string, stdin io.Reader) (linearizability.History, error) {
	if path == "-" {
		return linearizability.Read(stdin)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err) // the path is said once
	}
	defer file.Close()
	return linearizability.Read(file)
}

// findingsShown bounds what a person is shown of one anomaly.
const findingsShown = 5

func print(out io.Writer, v *linearizability.Verdict, took time.Duration) {
	shown := map[linearizability.Anomaly]int{}
	for _, f := range v.Findings {
		if shown[f.Anomaly]++; shown[f.Anomaly] <= findingsShown {
			fmt.Fprintln(out, f)
		}
	}
	for _, a := range linearizability.Anomalies {
		if n := v.Forbidden[a]; n > 0 {
			fmt.Fprintf(out, "FORBIDDEN %s: %d\n", a, n)
		}
	}
	for _, a := range linearizability.Anomalies {
		if n := v.Allowed[a]; n > 0 {
			fmt.Fprintf(out, "allowed %s: %d\n", a, n)
		}
	}
	said := "good"
	if !v.Good() {
		said = "bad"
	}
	fmt.Fprintf(out, "verdict=%s operations=%d values=%d partitions=%d wall=%s\n", said, v.Operations, v.Values, v.Parts, took.Round(time.Millisecond))
}

func printJSON(out io.Writer, v *linearizability.Verdict) error {
	type finding struct {
		Anomaly   string `json:"anomaly"`
		Partition string `json:"partition"`
		Process   int    `json:"process"`
		Call      int64  `json:"call"`
		Text      string `json:"text"`
	}
	findings := []finding{}
	for _, f := range v.Findings {
		findings = append(findings, finding{string(f.Anomaly), f.Part, f.Process, f.Call, f.Text})
	}
	enc := json.NewEncoder(out)
	return enc.Encode(struct {
		Good       bool                            `json:"good"`
		Forbidden  map[linearizability.Anomaly]int `json:"forbidden"`
		Allowed    map[linearizability.Anomaly]int `json:"allowed"`
		Findings   []finding                       `json:"findings"`
		Operations int                             `json:"operations"`
		Values     int                             `json:"values"`
		Partitions int                             `json:"partitions"`
	}{v.Good(), v.Forbidden, v.Allowed, findings, v.Operations, v.Values, v.Parts})
}

func total(counts map[linearizability.Anomaly]int) int {
	n := 0
	for _, c := range slices.Collect(maps.Values(counts)) {
		n += c
	}
	return n
}
