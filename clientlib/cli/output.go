package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"
	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8/cwriter"
)

// output is the flag -o.
type output struct{ format string }

func (o *output) flag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.format, "output", "o", "", "json; nothing for a table on a terminal and tab-separated lines elsewhere")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json"}, cobra.ShellCompDirectiveNoFileComp))
}

func (o *output) check() error {
	if o.format != "" && o.format != "json" {
		return usagef("-o %s: want json, or nothing", o.format)
	}
	return nil
}

func (o *output) json() bool { return o.format == "json" }

// writeJSON writes v, indented.
func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// count writes how many there are of something.
func count(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// terminal reports whether a person reads what is written.
func terminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && cwriter.IsTerminal(int(file.Fd()))
}

// rows writes a table with headings on a terminal, tab-separated lines without them elsewhere.
func rows(out io.Writer, headings []string, lines [][]string) error {
	if !terminal(out) {
		for _, line := range lines {
			if _, err := fmt.Fprintln(out, strings.Join(line, "\t")); err != nil {
				return err
			}
		}
		return nil
	}
	_, err := fmt.Fprintln(out, drawn(lipgloss.NewRenderer(out), headings, lines))
	return err
}

// drawn is a table for a terminal; the renderer leaves colours out where NO_COLOR is set.
func drawn(with *lipgloss.Renderer, headings []string, lines [][]string) string {
	cell, head := with.NewStyle().PaddingRight(2), with.NewStyle().PaddingRight(2).Bold(true)
	t := table.New().Headers(headings...).Rows(lines...).Border(lipgloss.HiddenBorder()).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderColumn(false).BorderHeader(false).
		StyleFunc(func(row, _ int) lipgloss.Style {
			if row == table.HeaderRow {
				return head
			}
			return cell
		})
	text := strings.Split(t.String(), "\n")
	for i := range text {
		text[i] = strings.TrimRight(text[i], " ")
	}
	return strings.Join(text, "\n")
}
