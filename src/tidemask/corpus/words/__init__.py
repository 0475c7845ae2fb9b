"""What a word is: the places of the words of a text, and which tokens begin one."""
