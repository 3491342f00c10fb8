package shrink

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"odradek/sim"
)

// Saved is a file of decisions: what `odradek sim --edit` takes.
type Saved struct {
	Seed    uint64   `json:"seed"`
	Profile string   `json:"profile"`
	Rate    string   `json:"rate"`
	Oracle  string   `json:"oracle,omitempty"` // that fires with them
	Edit    sim.Edit `json:"decisions"`
}

// Write writes the file.
func (s *Saved) Write(path string) error {
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Read reads one, which must be of the seed and profile.
func Read(path string, o *sim.Options) (*sim.Edit, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s Saved
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if s.Seed != o.Seed || s.Profile != o.Profile.Name || s.Rate != o.Profile.Rate {
		return nil, fmt.Errorf("%s is of seed %d, profile %s, rate %s", path, s.Seed, s.Profile, s.Rate)
	}
	if err := s.Edit.Check(o); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &s.Edit, nil
}
