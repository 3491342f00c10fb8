package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const twice = `{"op":"produce","process":1,"topic":"t","call":1,"return":2,"outcome":"ok","offset":0,"values":[7]}
{"op":"produce","process":1,"topic":"t","call":3,"return":4,"outcome":"ok","offset":2,"values":[8]}
{"op":"final","process":2,"topic":"t","call":5,"return":6,"offset":0,"next":3,"offsets":[0,1,2],"values":[7,7,8]}
`

func check(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	cmd := Command()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetIn(strings.NewReader(twice))
	err := cmd.Execute()
	var coded interface{ ExitCode() int }
	switch {
	case errors.As(err, &coded):
		return out.String() + err.Error() + "\n", coded.ExitCode()
	case err != nil:
		return out.String() + err.Error() + "\n", 1
	}
	return out.String(), 0
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	path, torn, pages := filepath.Join(dir, "h"), filepath.Join(dir, "torn"), filepath.Join(dir, "pages")
	changed := strings.ReplaceAll(twice, "[7,7,8]", "[7,7,9]")
	if err := errors.Join(os.WriteFile(path, []byte(changed), 0o644), os.WriteFile(torn, []byte(twice[:len(twice)-20]), 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want []string
	}{
		{"-", 22, []string{"duplicate: t-0, process 1 at 1: 7 is at offset 0 and at 1\n", "FORBIDDEN duplicate: 1\n", "verdict=bad operations=3 values=2 partitions=1 wall=", "-: 1 anomalies"}},
		{"--guarantee at-least-once -", 0, []string{"allowed duplicate: 1\n", "verdict=good"}},
		{"--guarantee at-most-once -", 22, []string{"FORBIDDEN duplicate: 1\n"}},
		{"-o json -", 22, []string{`{"good":false,"forbidden":{"duplicate":1},"allowed":{},"findings":[{"anomaly":"duplicate","partition":"t-0","process":1,"call":1,`}},
		{"--html " + pages + " " + path, 22, []string{"inconsistent-offsets: t-0, process 2 at 5: offset 2 held 8 and 9\n", "phantom: ", "nonlinearizable: "}},
		{torn, 1, []string{torn + ": operation 3: unexpected EOF\n"}},
		{dir + "/none", 1, []string{dir + "/none: no such file or directory\n"}},
		{"--guarantee twice -", 2, []string{`--guarantee: guarantee "twice" is none of at-most-once, at-least-once, exactly-once`}},
		{"-o yaml -", 2, []string{"-o yaml: only json is known"}},
		{"", 2, []string{"check needs one history"}},
	} {
		said, code := check(t, strings.Fields(c.args)...)
		for _, want := range c.want {
			if code != c.code || !strings.Contains(said, want) {
				t.Errorf("check %s: exit code %d, want %d: %s\nwant %s", c.args, code, c.code, said, want)
			}
		}
	}
	if page, err := os.ReadFile(filepath.Join(pages, "t-0.html")); err != nil || !bytes.Contains(page, []byte("<html")) {
		t.Errorf("the page: %v", err)
	}
}
