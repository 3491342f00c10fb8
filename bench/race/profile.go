package race

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"odradek/bench/profile"
	"odradek/bench/target"
)

// Suspect is a cell of which ours is to be profiled.
type Suspect struct {
	Cell    string
	Entrant string
}

// FileName is that of its profile in a directory, without what tells the format.
func (s Suspect) FileName() string {
	return strings.NewReplacer("/", "-", " ", "-").Replace(s.Cell + " " + s.Entrant)
}

// profileLength is long enough for some hundreds of samples. A profile slows down what it looks at, so these runs are no measurements and are not kept.
const profileLength = 4 * time.Second

// Profile runs ours once more in each of these cells with a CPU profile, and writes NAME.pprof and what it says in short, NAME.md, into a directory. What is there already
// is left alone, so that an interrupted one goes on.
func Profile(ctx context.Context, a *Arena, cells []*Cell, suspects []Suspect, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	plan, only := a.Plan, a.Profiles
	a.Profiles, a.Plan.Length = dir, max(a.Plan.Length, profileLength)
	defer func() { a.Plan, a.Profiles = plan, only }()
	var errs []error
	for _, s := range suspects {
		path := filepath.Join(dir, s.FileName())
		if _, err := os.Stat(path + ".md"); err == nil || ctx.Err() != nil {
			continue
		}
		for _, c := range cells {
			for _, e := range c.Entrants {
				if c.Name != s.Cell || e.String() != s.Entrant {
					continue
				}
				if c.Brief != "" {
					fmt.Fprintf(a.Says, "no profile of %s: %s\n", c.Name, c.Brief)
					continue
				}
				if r := a.one(ctx, c, e, 0); r.Error != "" {
					errs = append(errs, fmt.Errorf("profile of %s, %s: %s", c.Name, e, r.Error))
					continue
				}
				fmt.Fprintf(a.Says, "profile of %s, %s\n", c.Name, e)
				errs = append(errs, tell(ctx, s, path))
			}
		}
	}
	return errors.Join(errs...)
}

// profileWait bounds the wait for a node that is starting.
const profileWait = 2 * time.Second

// tell writes what a profile says in short.
func tell(ctx context.Context, s Suspect, path string) error {
	sum, err := profile.Read(ctx, path+".pprof")
	if err != nil {
		return err
	}
	f, err := os.Create(path + ".md")
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, sum.Line()+"\n\n"+s.Cell+", "+s.Entrant+"\n\n")
	return errors.Join(err, sum.Markdown(f), f.Close())
}

// profiled writes a CPU profile of an Odradek that is measured for so long from now on, if profiles are asked for.
func (a *Arena) profiled(b target.Target, c *Cell, e Entrant, length time.Duration) {
	if several, ok := b.(*target.Several); ok {
		b = several.Brokers[0]
	}
	node, ok := b.(*target.Node)
	if a.Profiles == "" || !ok {
		return
	}
	text, err := node.Profile(length)
	for deadline := time.Now().Add(profileWait); err != nil && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		text, err = node.Profile(length) // a node that is just starting
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(a.Profiles, Suspect{c.Name, e.String()}.FileName()+".pprof"), []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(a.Says, "profile:", err)
	}
}

// beside runs something beside what is measured and returns what waits for its end.
func beside(do func()) (wait func()) {
	var wg sync.WaitGroup
	wg.Go(do)
	return wg.Wait
}
