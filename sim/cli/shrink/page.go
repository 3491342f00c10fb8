package shrink

func (t *Story) Page(path, again string) error { return nil }
