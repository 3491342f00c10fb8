package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// tree is a copy of the source. Bugs are planted in it one after another; the tree itself is never touched.
type tree struct {
	root     string
	pristine map[string]string // files that a bug has changed, as they were
	env      []string          // of the simulator, besides our own
	memory   int64             // bytes at which the simulator is ended; 0: none
}

// copyTree copies the files that git knows, and those that it would take, into a new folder.
func copyTree(from string) (*tree, error) {
	list, err := exec.Command("git", "-C", from, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	root, err := os.MkdirTemp("", "planted")
	if err != nil {
		return nil, err
	}
	t := &tree{root: root, pristine: map[string]string{}}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) { // removed, and git not told yet
			continue
		}
		to := filepath.Join(root, name)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(to), 0o755)
		}
		if err == nil {
			err = os.WriteFile(to, data, 0o644)
		}
		if err != nil {
			return nil, errors.Join(err, t.remove())
		}
	}
	return t, nil
}

func (t *tree) remove() error { return os.RemoveAll(t.root) }

// plant makes a bug's edits.
func (t *tree) plant(b *bug) error {
	for i := range b.edits {
		e := &b.edits[i]
		if err := t.change(e.path, e.apply); err != nil {
			return fmt.Errorf("%s: %s: %w", b.name, e.path, err)
		}
	}
	return nil
}

// change changes a file until it is reverted.
func (t *tree) change(name string, to func(string) (string, error)) error {
	path := filepath.Join(t.root, name)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	changed, err := to(string(text))
	if err != nil {
		return err
	}
	if _, kept := t.pristine[name]; !kept {
		t.pristine[name] = string(text)
	}
	return os.WriteFile(path, []byte(changed), 0o644)
}

// revert takes every bug out again.
func (t *tree) revert() error {
	var errs []error
	for path, text := range t.pristine { // any order: each for itself
		errs = append(errs, os.WriteFile(filepath.Join(t.root, path), []byte(text), 0o644))
	}
	clear(t.pristine)
	return errors.Join(errs...)
}

// simulator is where build puts the simulator, below the root.
const simulator = "planted-simulator"

// build makes the simulator: this very command, which has it as `sim`. The whole of odradek takes six times as long, most of it for parts that no simulated
// world has.
func (t *tree) build(ctx context.Context) error {
	return t.run(ctx, "build", "-trimpath", "-o", simulator, "./sim/planted")
}

// buildBare makes a simulator in which nothing says from which text it was made: two that do the same are the same, byte by byte.
func (t *tree) buildBare(ctx context.Context) error {
	return t.run(ctx, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", simulator, "./sim/planted")
}

// compile compiles the packages that bugs change.
func (t *tree) compile(ctx context.Context, bugs []bug) error {
	args := []string{"build", "-trimpath"}
	for i := range bugs {
		for _, e := range bugs[i].edits {
			if pkg := "./" + filepath.Dir(e.path); !slices.Contains(args, pkg) {
				args = append(args, pkg)
			}
		}
	}
	return t.run(ctx, args...)
}

// run runs the go command. -trimpath lets every copy use what an earlier one has compiled.
func (t *tree) run(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = t.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", args[0], err, bytes.TrimSpace(out))
	}
	return nil
}
