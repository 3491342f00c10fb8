package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"odradek/core"
	"odradek/disk/vfs"
	"odradek/disk/vfs/osfs"
	"odradek/node/runtime"
)

var rewrite = flag.Bool("rewrite", false, "write testdata anew")

// startNode runs a node and returns its address.
func startNode(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	n, err := runtime.Start(context.Background(), runtime.Options{ClusterID: "k6qUWPH3RdG3PO1UTzc2Gw", FS: []vfs.FS{osfs.New(dir)}, Paths: []string{dir}, Log: slog.New(slog.DiscardHandler),
		Config: []core.KeyValue{{Key: "listeners", Value: "PLAINTEXT://127.0.0.1:0"}, {Key: "auto.create.topics.enable", Value: "false"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := n.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return n.Endpoints()[0].Addr.String()
}

// command runs a command line, and returns its exit code.
func command(ctx context.Context, args []string, in io.Reader, out, say io.Writer) int {
	root := &cobra.Command{Use: "odradek", SilenceUsage: true, SilenceErrors: true}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	root.AddCommand(Commands()...)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(say)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(say, "odradek: "+err.Error())
		return codeOf(err)
	}
	return 0
}

// pty returns the two ends of a terminal.
func pty(t *testing.T) (person, process *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if process, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skip("no terminals here: ", err)
	}
	return person, process
}

// onTerminal runs a command whose stdout is a terminal, and returns what a person sees there.
func onTerminal(t *testing.T, args []string, in io.Reader, say io.Writer) (string, int) {
	person, process := pty(t)
	seen := make(chan string)
	go func() {
		all, _ := io.ReadAll(person) // ends with EIO when the other end closes
		seen <- string(all)
	}()
	code := command(t.Context(), args, in, process, say)
	process.Close()
	return strings.ReplaceAll(<-seen, "\r\n", "\n"), code
}

// volatile is what differs from run to run.
var volatile = []struct {
	pattern *regexp.Regexp
	stands  string
}{
	{regexp.MustCompile(`127\.0\.0\.1:111\d`), "127.0.0.1:111x"}, {regexp.MustCompile(`"id": "[\w-]{22}"`), `"id": "ID"`}, {regexp.MustCompile(`\bid [\w-]{22}`), "id ID"},
	{regexp.MustCompile(`"timestamp":\d{13}`), `"timestamp":MS`},
	{regexp.MustCompile(`\b[\d.]+m?s ago`), "T ago"}, {regexp.MustCompile(`"(lastFetch|lastCaughtUp)": \d{13}`), `"$1": MS`},
}

// A script has lines of three kinds: "$ command", what it reads as "< line", and what came: "> " on stdout, "! " on stderr, "= " the exit code. "$ tty command" runs on
// a terminal, "$ bare command" without --bootstrap.
func TestScripts(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	t.Setenv("TERM", "xterm")
	for _, name := range []string{"topic", "records", "config", "cluster", "usage"} {
		t.Run(name, func(t *testing.T) {
			at, path := startNode(t), "testdata/"+name+".txt"
			script, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			lines := strings.Split(strings.TrimRight(string(script), "\n"), "\n")
			for i, line := range lines {
				switch {
				case strings.HasPrefix(line, "$ "):
					var input []string
					for _, next := range lines[i+1:] {
						text, ok := strings.CutPrefix(next, "<")
						if !ok {
							break
						}
						input = append(input, strings.TrimPrefix(text, " ")+"\n")
					}
					got.WriteString(line + "\n")
					step(t, &got, at, line[2:], input)
				case line == "" || line[0] == '#':
					got.WriteString(line + "\n")
				}
			}
			if *rewrite {
				if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := strings.TrimRight(string(script), "\n") + "\n"; got.String() != want {
				t.Errorf("%s: go test -rewrite, and look at the difference:\n%s", path, firstDifference(want, got.String()))
			}
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d is\n%s\nwant\n%s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// step runs one line of a script. Words in single quotes stay together.
func step(t *testing.T, got *strings.Builder, at, line string, input []string) {
	for _, in := range input {
		got.WriteString(strings.TrimRight("< "+in, " \n") + "\n")
	}
	var words []string
	for i, piece := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, piece)
		} else {
			words = append(words, strings.Fields(piece)...)
		}
	}
	tty, bare := words[0] == "tty", words[0] == "bare"
	if tty || bare {
		words = words[1:]
	}
	if !bare && !strings.Contains(line, "--bootstrap") {
		words = append(words, "--bootstrap", at)
	}
	var out, say bytes.Buffer
	in := strings.NewReader(strings.Join(input, ""))
	var code int
	shown := ""
	if tty {
		shown, code = onTerminal(t, words, in, &say)
	} else {
		code = command(t.Context(), words, in, &out, &say)
		shown = out.String()
	}
	for _, part := range []struct{ mark, text string }{{"> ", shown}, {"! ", say.String()}} {
		part.text = strings.ReplaceAll(part.text, at, "HOST:PORT")
		for _, v := range volatile {
			part.text = v.pattern.ReplaceAllString(part.text, v.stands)
		}
		for l := range strings.Lines(part.text) {
			got.WriteString(strings.TrimRight(part.mark+strings.TrimRight(l, "\n"), " ") + "\n")
		}
	}
	fmt.Fprintf(got, "= %d\n", code)
}

// What no script shows: a command that is interrupted, one whose broker does not answer, colours.
func TestInterrupted(t *testing.T) {
	at := startNode(t)
	var out, say bytes.Buffer
	if code := command(t.Context(), []string{"topic", "create", "t", "--bootstrap", at}, nil, &out, &say); code != 0 {
		t.Fatal(say.String())
	}
	ignored := make(chan os.Signal, 1) // one that comes before the command listens must not end the test
	signal.Notify(ignored, os.Interrupt)
	defer signal.Stop(ignored)
	over := make(chan struct{})
	defer close(over)
	go func() {
		for {
			select {
			case <-time.After(300 * time.Millisecond):
				_ = unix.Kill(os.Getpid(), unix.SIGINT)
			case <-over:
				return
			}
		}
	}()
	if code := command(context.Background(), []string{"consume", "t", "--follow", "--bootstrap", at}, nil, &out, &say); code != exitInterrupted {
		t.Errorf("exit code %d: %s", code, say.String())
	}
}

func TestSilentBroker(t *testing.T) {
	silent, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(silent)
	if err := errors.Join(unix.Bind(silent, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(silent, 8)); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(silent)
	if err != nil {
		t.Fatal(err)
	}
	var out, say bytes.Buffer
	code := command(t.Context(), []string{"cluster", "info", "--timeout", "300ms", "--bootstrap", fmt.Sprintf("127.0.0.1:%d", bound.(*unix.SockaddrInet4).Port)}, nil, &out, &say)
	if code != exitUnreachable || !strings.Contains(say.String(), "no answer in time") {
		t.Errorf("exit code %d: %s", code, say.String())
	}
}

func TestColours(t *testing.T) {
	at := startNode(t)
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("CI", "") // where it is set, no terminal is believed to show colours
	for _, none := range []string{"", "1"} {
		t.Setenv("NO_COLOR", none)
		var say bytes.Buffer
		shown, code := onTerminal(t, []string{"cluster", "info", "--bootstrap", at}, nil, &say)
		if code != 0 || strings.Contains(shown, "\x1b[") != (none == "") {
			t.Errorf("NO_COLOR=%s: exit code %d, %q", none, code, shown)
		}
	}
}

func TestCompletion(t *testing.T) {
	at := startNode(t)
	var out, say bytes.Buffer
	command(t.Context(), []string{"topic", "create", "orders", "payments", "--bootstrap", at}, nil, &out, &say)
	out.Reset()
	command(t.Context(), []string{"__complete", "topic", "delete", "--bootstrap", at, "orders", ""}, nil, &out, &say)
	if got := strings.Split(out.String(), "\n")[0]; got != "payments" {
		t.Errorf("after orders comes %q\n%s", got, say.String())
	}
}
