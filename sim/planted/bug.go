package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// bug is one planted bug: what it is called, what it does, who may catch it, and how the source is changed.
type bug struct {
	name    string // of its file
	row     string // of the corpus of known bugs, or "own"
	class   class
	oracles []string // of which one must catch it; of a canary none
	profile string   // of the simulator
	story   string   // what is decided wrongly, and what a user would see
	edits   []edit
}

// class says in how many seeds a bug must be found.
type class string

const (
	easy     class = "E"
	medium   class = "M"
	hard     class = "H"
	harmless class = "canary" // nothing that can be seen changes: nothing may fire
)

var seedsOf = map[class]int{easy: 50, medium: 1000, hard: 20_000, harmless: 50}

// edit replaces some lines of one file.
type edit struct {
	path     string
	old, new string // whole lines
}

// parseBug reads a file of bugs/: headers, an empty line, the story, and edits. An edit begins with a line "edit PATH"; of the lines behind it those with
// a minus go, those with a plus come, and those with a space stay.
func parseBug(name, text string) (bug, error) {
	b := bug{name: name, profile: "single"}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	at := 0
	for ; at < len(lines) && lines[at] != ""; at++ {
		if err := b.header(lines[at]); err != nil {
			return b, fmt.Errorf("%s, line %d: %w", name, at+1, err)
		}
	}
	var story []string
	for ; at < len(lines) && !strings.HasPrefix(lines[at], "edit "); at++ {
		story = append(story, lines[at])
	}
	b.story = strings.TrimSpace(strings.Join(story, " "))
	for ; at < len(lines); at++ {
		if err := b.line(lines[at]); err != nil {
			return b, fmt.Errorf("%s, line %d: %w", name, at+1, err)
		}
	}
	if err := b.check(); err != nil {
		return b, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

func (b *bug) header(line string) error {
	key, value, ok := strings.Cut(line, ": ")
	if !ok {
		return fmt.Errorf("%q is not a header: want KEY: VALUE", line)
	}
	switch key {
	case "row":
		b.row = value
	case "class":
		b.class = class(value)
	case "oracles":
		b.oracles = strings.Split(value, ", ")
	case "profile":
		b.profile = value
	default:
		return fmt.Errorf("header %q: there are row, class, oracles and profile", key)
	}
	return nil
}

// line takes a line of the edits.
func (b *bug) line(line string) error {
	if path, ok := strings.CutPrefix(line, "edit "); ok {
		b.edits = append(b.edits, edit{path: path})
		return nil
	}
	if line == "" {
		return nil // between edits
	}
	e := &b.edits[len(b.edits)-1]
	switch text := line[1:] + "\n"; line[0] {
	case '-':
		e.old += text
	case '+':
		e.new += text
	case ' ':
		e.old, e.new = e.old+text, e.new+text
	default:
		return fmt.Errorf("%q: a line of an edit begins with a minus, a plus or a space", line)
	}
	return nil
}

// check demands that all is there.
func (b *bug) check() error {
	limit := seedsOf[b.class]
	switch {
	case b.row == "":
		return errors.New("no row: want one of the corpus, or own")
	case limit == 0:
		return fmt.Errorf("class %q: want E, M, H or canary", b.class)
	case b.class == harmless && len(b.oracles) > 0:
		return errors.New("a canary is caught by none")
	case b.class != harmless && len(b.oracles) == 0:
		return errors.New("no oracles: name those that may catch it")
	case !slices.Contains([]string{"single", "brief", "quorum", "cluster"}, b.profile):
		return fmt.Errorf("profile %q: want single, brief, quorum or cluster", b.profile)
	case b.story == "":
		return errors.New("no story: say what is decided wrongly, and what a user would see")
	case len(b.edits) == 0:
		return errors.New("no edit")
	}
	for _, e := range b.edits {
		if e.old == "" || e.old == e.new {
			return fmt.Errorf("the edit of %s replaces nothing", e.path)
		}
	}
	return nil
}

// apply returns a file's text with the edit made. What is replaced must be there exactly once, as whole lines.
func (e *edit) apply(text string) (string, error) {
	whole, old := "\n"+text, "\n"+e.old
	n := 0
	for at := range whole {
		if strings.HasPrefix(whole[at:], old) {
			n++
		}
	}
	if n != 1 {
		return "", fmt.Errorf("the text to replace is there %d times", n)
	}
	return strings.Replace(whole, old, "\n"+e.new, 1)[1:], nil
}

// allowed reports whether an oracle is named for a bug.
func (b *bug) allowed(oracle string) bool { return slices.Contains(b.oracles, oracle) }

// rounds puts bugs into as few rounds as it takes for no two of one round to change the same file.
func rounds(bugs []bug) (out [][]bug) {
	var used []map[string]bool
	for _, b := range bugs {
		at := 0
		for at < len(out) && slices.ContainsFunc(b.edits, func(e edit) bool { return used[at][e.path] }) {
			at++
		}
		if at == len(out) {
			out, used = append(out, nil), append(used, map[string]bool{})
		}
		out[at] = append(out[at], b)
		for _, e := range b.edits {
			used[at][e.path] = true
		}
	}
	return out
}
