"""The merchant's `channelsync.yaml`: read safely, checked whole, turned into typed values.

`loading` is the door. `document` reads YAML into nodes that know their places, `shape` says what
the file may hold, `names` and `channels` check what types cannot, `references` resolves secrets,
`problems` renders what is wrong. `configuration` is the result, `changes` compares two results,
`schema` and `reference_page` describe the format to editors and people.
"""
