package verdict

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"odradek/bench/cell"
	"odradek/bench/race"
)

// Sources are what a page is made from besides the runs; each may be missing.
type Sources struct {
	Limits    string // directory of prose: KEY.md of each section, written by hand and never by this program
	Profiles  string // directory that race.Profile filled
	JetStream string // table that bench/jetstream wrote
	Pictures  string // what stands before the names of pictures in the page
}

// Markdown writes the page.
func (c *Comparison) Markdown(w io.Writer) error {
	var b strings.Builder
	c.head(&b)
	var missing error
	for _, s := range c.sections() {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", s.title, s.asked)
		if s.key == "8" {
			c.grid(&b)
		} else {
			table(&b, s.rows)
		}
		b.WriteString(c.measured(s.rows))
		for _, p := range c.pictures(s) {
			fmt.Fprintf(&b, "\n![%s](%s%s.svg)\n", p.title, c.From.Pictures, p.name)
		}
		missing = errors.Join(missing, c.profiles(&b, s.rows), include(&b, c.From.Limits, s.key+".md"))
	}
	if c.From.JetStream != "" {
		missing = errors.Join(missing, include(&b, filepath.Dir(c.From.JetStream), filepath.Base(c.From.JetStream)))
	}
	_, err := io.WriteString(w, b.String())
	return errors.Join(missing, err)
}

// head says what ran where, and how much of it is met.
func (c *Comparison) head(b *strings.Builder) {
	kernel, _, _ := strings.Cut(c.Machine.Kernel, "-") // what is behind it is its builder's
	fmt.Fprintf(b, "Odradek %s and Apache Kafka %s, %d CPUs (%s), %s, Linux %s, %s, %s. Each run after %v of warm-up, Kafka's brokers warmed %v under load. Device: fdatasync p50 %v, p99 %v, %.0f MB/s written in order; loopback %.0f MB/s.",
		c.Machine.Revision, c.Plan.Kafka, c.Machine.CPUs, c.Machine.CPU, c.Machine.MemoryGB, kernel, c.Machine.FileSystem, c.Machine.Go, c.Plan.Warmup, c.Plan.Warm,
		c.Device.FsyncP50.Round(time.Microsecond), c.Device.FsyncP99.Round(time.Microsecond), c.Device.WriteMBs, c.Device.LoopMBs)
	if took := c.took(); took > 0 {
		fmt.Fprintf(b, " All runs together took %v.", took.Round(time.Minute))
	}
	fmt.Fprintf(b, "\n\nKafka's JVM: `%s`. Set on both sides: `%s`; on Kafka also `%s`, since its deleted topics stay on the disk for a minute.\n\n", c.Plan.JVM, strings.Join(c.Settings[:len(c.Settings)-1], " "), c.Settings[len(c.Settings)-1])
	fmt.Fprintf(b, "**%s.**\n\n`%s`\n", c.tally(), c.Command)
}

// took is how long all runs took.
func (c *Comparison) took() (sum time.Duration) {
	for i := range c.Runs {
		sum += c.Runs[i].Took
	}
	return sum
}

// table writes answers as a table, those of an aim first.
func table(b *strings.Builder, rows []Row) {
	b.WriteString("| " + strings.Join(head[1:], " | ") + " |\n|" + strings.Repeat("---|", len(head)-1) + "\n")
	for _, asked := range []bool{true, false} {
		for i := range rows {
			if rows[i].asked == asked {
				b.WriteString("| " + strings.Join(rows[i].row()[1:], " | ") + " |\n")
			}
		}
	}
}

// measured says how often and how long, cell by cell where they differ.
func (c *Comparison) measured(rows []Row) string {
	var kinds []string
	cells := map[string][]string{}
	for _, cell := range c.cells {
		i := slices.IndexFunc(rows, func(r Row) bool { return r.Cell == cell.Name })
		if i < 0 {
			continue
		}
		rounds := 0
		for _, r := range c.Runs {
			if r.Cell == cell.Name && !r.Failed() {
				rounds = max(rounds, r.Round+1)
			}
		}
		if rounds == 0 {
			continue
		}
		kind := fmt.Sprintf("%d rounds", rounds)
		if rounds == 1 {
			kind = "1 round"
		}
		if l := c.Plan.LengthOf(cell); cell.Length > 0 {
			kind += fmt.Sprintf(" of %v", l)
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		cells[kind] = append(cells[kind], cell.Name)
	}
	var out []string
	for _, k := range kinds {
		if len(kinds) == 1 {
			return "\nEach side: " + k + ".\n"
		}
		out = append(out, strings.Join(cells[k], ", ")+": "+k)
	}
	if len(out) == 0 {
		return ""
	}
	return "\nEach side: " + strings.Join(out, "; ") + ".\n"
}

// grid writes the ratios of batch sizes × codecs: records a second, and CPU in brackets.
func (c *Comparison) grid(b *strings.Builder) {
	won, all, median := c.Medians(codecAim)
	fmt.Fprintf(b, "%d of %d cells won, median %.3g times. Records/s, Odradek relaxed ÷ Kafka; in brackets Kafka's CPU per GB ÷ ours.\n\n", won, all, median)
	b.WriteString("| batch | " + strings.Join(cell.Codecs(), " | ") + " |\n|" + strings.Repeat("---|", len(cell.Codecs())+1) + "\n")
	for _, batch := range cell.Batches() {
		fmt.Fprintf(b, "| %s |", cell.BatchName(batch))
		for _, codec := range cell.Codecs() {
			b.WriteString(" " + c.gridCell(codecCell(batch, codec)) + " |")
		}
		b.WriteString("\n")
	}
}

func (c *Comparison) gridCell(name string) string {
	text := map[string]string{}
	for i := range c.Rows {
		if r := &c.Rows[i]; r.Cell == name && r.against && !r.unavailable {
			text[r.Metric] = fmt.Sprintf("%.3g×", r.Ratio.Median)
			if r.Metric == "records_rate" && r.Ratio.Median < 1 {
				text[r.Metric] = "**" + text[r.Metric] + "**"
			}
		}
	}
	if text["records_rate"] == "" {
		return "–"
	}
	if text["cpu_per_gb"] == "" {
		return text["records_rate"]
	}
	return text["records_rate"] + " (" + text["cpu_per_gb"] + ")"
}

// profiles tells in a line each what profiles of ours say.
func (c *Comparison) profiles(b *strings.Builder, rows []Row) error {
	lines := map[string]string{}
	for _, r := range rows {
		if c.From.Profiles == "" || r.Met != nil && *r.Met {
			continue
		}
		s := race.Suspect{Cell: r.Cell, Entrant: r.Ours}
		text, err := os.ReadFile(filepath.Join(c.From.Profiles, s.FileName()+".md"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		line, _, _ := strings.Cut(string(text), "\n")
		lines["- "+s.Cell+", "+s.Entrant+": "+line+".\n"] = ""
	}
	if len(lines) > 0 {
		b.WriteString("\nProfiles of ours:\n\n" + strings.Join(slices.Sorted(maps.Keys(lines)), ""))
	}
	return nil
}

// include adds a text that was written elsewhere, if it is there.
func include(b *strings.Builder, dir, name string) error {
	if dir == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err == nil {
		b.WriteString("\n" + strings.ReplaceAll(strings.TrimSpace(string(text)), "](../../", "](") + "\n") // links of docs/bench/limits, from docs
	}
	return err
}
