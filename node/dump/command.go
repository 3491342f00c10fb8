// Package dump is `odradek dump`: it reads the files of a log directory, Odradek's or Apache Kafka's, and says what is in them or what is wrong with
// them. It writes nothing, takes no lock, and may run beside a node; then the last batch of a log may look cut short.
//
// Every kind of file has a reader that prints rows and reports problems, each with its place. Without --verify only what keeps a file from being
// read any further is a problem; with it, rows give way to one line per file, and everything that one file says is held against the others.
package dump

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"odradek/disk/segment"
	"odradek/net/codec"
	"odradek/node/cli"
)

// Command returns the command `odradek dump`.
func Command() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "dump FILE...",
		Short: "Print or verify the files of a log directory",
		Long: `Prints what is in the files of a log directory, Odradek's or Apache Kafka's: .log, .checkpoint, .index, .timeindex, .txnindex, .snapshot,
partition.metadata, meta.properties, quorum-state and the text checkpoints. A directory stands for all such files below it. A table on a
terminal, tab-separated in a pipe (file, kind, fields), with -o json one object a line. Nothing is written and no lock taken.
With --verify: one line per file; CRCs, offsets, epochs, counts and indexes are checked, what is wrong is named, and the exit code is 1.`,
		Example: `  odradek dump odradek-data/greetings-0/00000000000000000000.log --records
  odradek dump odradek-data/__cluster_metadata-0 --records -o json
  odradek dump --verify odradek-data`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.UsageError{Err: errors.New("dump needs a file or a directory: odradek dump FILE")}
			}
			if f.output != "" && f.output != "json" {
				return cli.UsageError{Err: fmt.Errorf("-o %s: only json is known", f.output)}
			}
			return run(&f, args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().BoolVar(&f.records, "records", false, "print the records of logs, not only their batches")
	cmd.Flags().BoolVar(&f.verify, "verify", false, "check the files instead of printing them")
	cmd.Flags().BoolVar(&f.metadata, "metadata", false, "read .log files as metadata logs wherever they lie (default: in __cluster_metadata-0)")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "json: one object a line")
	return cmd
}

type flags struct {
	records, verify, metadata bool
	output                    string
}

// job is one run over all files.
type job struct {
	*flags
	printer
	said     io.Writer // messages
	codec    codec.Codec
	folders  map[string]*tail // logs read so far, for what goes on from segment to segment
	path     string           // of the file being read
	problems int
	before   int // problems before this file
	bad      int // files with problems
}

// readers by kind of file; sorts out what a name stands for.
var readers = map[string]func(*job) error{
	"log": (*job).log, "index": (*job).offsetIndex, "timeindex": (*job).timeIndex, "txnindex": (*job).txnIndex, "snapshot": (*job).producers,
	"partition.metadata": (*job).partitionMetadata, "meta.properties": (*job).properties, "quorum-state": (*job).quorumState, "checkpoint": (*job).textCheckpoint,
	segment.StreamsFile: (*job).streams,
}

// kindOf returns the key of readers for a file's name, "" if it is none of ours.
func kindOf(name string) string {
	switch {
	case name == "partition.metadata" || name == "meta.properties" || name == "quorum-state" || name == segment.StreamsFile:
		return name
	case strings.HasSuffix(name, "-checkpoint"):
		return "checkpoint"
	}
	switch ext := strings.TrimPrefix(filepath.Ext(name), "."); ext {
	case "log", "index", "timeindex", "txnindex", "snapshot":
		return ext
	case "checkpoint": // a snapshot of the metadata log
		return "log"
	}
	return ""
}

func run(f *flags, args []string, out, said io.Writer) error {
	j := &job{flags: f, said: said, folders: map[string]*tail{}}
	buffered := bufio.NewWriterSize(out, 64<<10)
	j.printer = printer{out: buffered, json: f.output == "json", table: isTerminal(out)}
	files, err := expand(args)
	if err != nil {
		return err
	}
	for _, j.path = range files {
		j.before = j.problems
		err := readers[kindOf(filepath.Base(j.path))](j)
		if errors.Is(err, errStop) {
			err = nil // it was reported
		}
		if err != nil {
			j.problem(-1, "%v", err)
		}
		if j.problems > j.before {
			j.bad++
		}
	}
	j.finish()
	if err := buffered.Flush(); err != nil {
		return err
	}
	if j.problems > 0 {
		return fmt.Errorf("%s in %s", count(j.problems, "problem"), count(j.bad, "file"))
	}
	return nil
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// expand lists the files that the arguments name, the segments of a folder in order.
func expand(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		st, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !st.IsDir() {
			if kindOf(filepath.Base(arg)) == "" {
				return nil, cli.UsageError{Err: fmt.Errorf("%s: the name is that of no file of a log directory: want .log, .index, .timeindex, .txnindex, "+
					".snapshot, .checkpoint, partition.metadata, meta.properties, quorum-state, odradek-streams or a text checkpoint", arg)}
			}
			files = append(files, arg)
			continue
		}
		var below []string
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && strings.HasSuffix(d.Name(), "-delete"): // its removal has begun: any part of it may be gone
				return fs.SkipDir
			case !d.IsDir() && kindOf(d.Name()) != "":
				below = append(below, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		slices.Sort(below) // 20 digits: by base offset
		files = append(files, below...)
	}
	return files, nil
}

// errStop ends the reading of a file after a problem that was reported.
var errStop = errors.New("stop")

// problem reports what is wrong with the file being read, at a byte position; -1 for none.
func (j *job) problem(position int64, format string, args ...any) {
	j.problems++
	text := fmt.Sprintf(format, args...)
	if j.json {
		fields := []field{{"problem", text}}
		if position >= 0 {
			fields = []field{{"position", position}, {"problem", text}}
		}
		j.row(j.path, "problem", fields...)
		return
	}
	place := j.path
	if position >= 0 {
		place = fmt.Sprintf("%s: position %d", j.path, position)
	}
	fmt.Fprintf(j.said, "%s: %s\n", place, strings.TrimPrefix(text, j.path+": "))
}

// stop reports a problem that ends the reading.
func (j *job) stop(position int64, format string, args ...any) error {
	j.problem(position, format, args...)
	return errStop
}

// check reports a problem that only --verify looks for.
func (j *job) check(ok bool, position int64, format string, args ...any) {
	if !ok && j.verify {
		j.problem(position, format, args...)
	}
}

// show prints a row, unless files are verified.
func (j *job) show(kind string, fields ...field) {
	if !j.verify {
		j.row(j.path, kind, fields...)
	}
}

// sum prints the line of a verified file that could be read to its end.
func (j *job) sum(what string, fields ...field) {
	if !j.verify {
		return
	}
	kind := "ok"
	if j.problems > j.before {
		kind = "damaged"
	}
	j.row(j.path, kind, append([]field{{"what", what}}, fields...)...)
}
