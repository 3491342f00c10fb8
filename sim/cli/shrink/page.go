package shrink

import (
	_ "embed"
	"errors"
	"html/template"
	"os"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// pageData is what the page is filled with.
type pageData struct {
	*Story
	Again    string
	Seed     uint64
	Events   int
	Picture  template.HTML
	Left     []string
	Drawn    []string // options
	Shown    []pageLine
	Dropped  int
	Explains string // Porcupine's page, for the frame
}

// pageLine is a line of the story; Number is that of its mark in the timeline.
type pageLine struct {
	Line
	Clock  string
	Number int
}

// Page writes the story as one file that needs no other.
func (t *Story) Page(path, again string) error {
	d := pageData{Story: t, Again: again, Seed: t.Options.Seed, Events: t.Result.Events, Left: t.left(), Drawn: t.Options.Lines(), Explains: string(t.Explain)}
	d.Picture = template.HTML(t.timeline()) // every text in it is escaped there
	var shown []Line
	shown, d.Dropped = t.fit()
	faults := 0
	for _, l := range shown {
		p := pageLine{Line: l, Clock: clock(l.At)}
		if l.Sort == Fault {
			faults++
			p.Number = faults
		}
		d.Shown = append(d.Shown, p)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pageTemplate.Execute(file, &d), file.Close())
}
