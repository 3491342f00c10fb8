package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"odradek/bench/race"
	"odradek/bench/verdict"
)

// from are the flags about what a page of the race is made from besides its runs.
func (f *compareFlags) from(flags *pflag.FlagSet) {
	flags.StringVar(&f.sources.Limits, "limits", "docs/bench/limits", "directory of prose for the page, KEY.md for each section; read, never written")
	flags.StringVar(&f.sources.JetStream, "jetstream", "", "table that bench/jetstream wrote, for the page")
}

// expected is how long a comparison takes that begins anew.
func (f *compareFlags) expected(cells []*race.Cell) time.Duration {
	sum := f.plan.Started(cells)
	for _, c := range cells {
		sum += f.plan.Expected(c, f.rounds)
	}
	return sum
}

// listed prints the cells, what each takes, and the sum.
func (f *compareFlags) listed(stdout io.Writer, cells []*race.Cell) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "cell\taims\truns of each side\tlength\texpected\tabout")
	for _, c := range cells {
		rounds := f.rounds
		if rounds == 0 {
			rounds = c.Rounds
		}
		var aims []byte
		for i, n := range c.Aims() {
			if i > 0 {
				aims = append(aims, ' ')
			}
			aims = fmt.Append(aims, n)
		}
		length := "–"
		if c.Length > 0 {
			length = f.plan.LengthOf(c).String()
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%v\t%s\n", c.Name, aims, rounds, length, f.plan.Expected(c, f.rounds).Round(time.Second), c.About)
	}
	fmt.Fprintf(w, "starting and warming\t\t\t\t%v\t\n", f.plan.Started(cells).Round(time.Second))
	fmt.Fprintf(w, "all\t\t\t\t%v\ton two processors that have nothing else to do\n", f.expected(cells).Round(time.Second))
	return w.Flush()
}

// command is the command line with names of directories that are only of this machine left out.
func (f *compareFlags) command(args []string) string {
	args = slices.Clone(args)
	for i, arg := range args {
		flag, value, assigned := strings.Cut(arg, "=")
		if !assigned {
			flag, value = "", arg
		} else {
			flag += "="
		}
		for _, d := range [][2]string{{f.profiles, "DIR/profiles"}, {f.out, "DIR"}} {
			if rest, ok := strings.CutPrefix(value+"/", d[0]+"/"); ok && d[0] != "" {
				args[i] = flag + strings.TrimSuffix(d[1]+"/"+rest, "/")
				break
			}
		}
	}
	return command(args)
}

// What is between these lines of a page is the race's, and written anew.
const (
	raceBegins = "<!-- race: made by `go run ./bench page`; prose is in docs/bench/limits -->\n"
	raceEnds   = "<!-- race: end -->\n"
)

func pageCommand() *cobra.Command {
	var f compareFlags
	var file, pictures string
	cmd := &cobra.Command{
		Use:   "page DIR",
		Short: "Put what compare left in DIR into the documentation: tables, pictures, and the prose about what limits each aim",
		Long: `Writes the part of a page between its two marks of the race anew: a section for each aim with its table and pictures, what profiles say, and the prose of --limits, which only
people write. Pictures go beside the page.`,
		Example: "  go run ./bench page /var/tmp/race --profiles /var/tmp/race/profiles --jetstream /var/tmp/race/jetstream.md",
		Args:    oneOf(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := os.ReadFile(filepath.Join(args[0], "compare.json"))
			if err != nil {
				return usageError{err}
			}
			c, err := verdict.Read(race.Cells(), text)
			if err != nil {
				return err
			}
			c.From, c.From.Profiles, c.From.Pictures = f.sources, f.profiles, pictures+"/"
			return putPage(c, file, filepath.Join(filepath.Dir(file), pictures))
		},
	}
	f.from(cmd.Flags())
	cmd.Flags().StringVar(&f.profiles, "profiles", "", "directory that compare --profiles filled")
	cmd.Flags().StringVar(&file, "page", "docs/BENCHMARKS.md", "page to write into")
	cmd.Flags().StringVar(&pictures, "pictures", "bench", "directory of pictures, from the page")
	return cmd
}

// putPage writes a page's part of the race anew, and the pictures into a directory.
func putPage(c *verdict.Comparison, file, pictures string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return usageError{err}
	}
	before, rest, ok := bytes.Cut(page, []byte(raceBegins))
	_, after, ok2 := bytes.Cut(rest, []byte(raceEnds))
	if !ok || !ok2 {
		return usageError{errors.New(file + " has no marks of where the race stands:\n" + raceBegins + raceEnds)}
	}
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(raceBegins)
	if err := c.Page(&b, pictures); err != nil {
		return err
	}
	b.WriteString(raceEnds)
	b.Write(after)
	return os.WriteFile(file, b.Bytes(), 0o644)
}
