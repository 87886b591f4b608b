package pgtest

// Standalone starts a server outside of a test, for a bench, and returns the URL of its empty database. Stop ends it and
// removes its data.
func Standalone() (url string, stop func() error, err error) {
	c, err := start()
	if err != nil {
		return "", nil, err
	}
	return c.url(), c.stop, nil
}
